"""Inside a booted system: SSH, state snapshots, live-apply, kubelet; the only user of paramiko."""
