"""Inside a booted system: SSH, readiness, testinfra; the only user of paramiko."""
