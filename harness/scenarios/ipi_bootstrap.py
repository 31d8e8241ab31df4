"""IPI bootstrap: a disk bootimage that the installer's bootstrap config turns into a node.

Ignition gets its config by fw_cfg, the overlay generator triggers live-apply on the first boot, and
the node reaches multi-user.target with the node image over /usr and a standalone kubelet. With a
release, kubelet then runs etcd and the API server of a temporary control plane, until the API is
ready.
"""

from harness.scenarios.flows.bootstrap import bootstrap

SCENARIO = bootstrap(
    "ipi_bootstrap",
    "IPI bootstrap: disk bootimage, live-apply at the first boot, temporary control plane",
)
