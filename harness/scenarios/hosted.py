"""Worker of a hosted control plane: user-data with a token, pivot at the first boot, one reboot.

The control plane runs on the host, beside the ignition server that knows the worker by its token.
"""

from harness.cluster import ignition_server
from harness.scenarios.flows.pivoting import pivoting

SCENARIO = pivoting(
    "hosted", "Worker of a hosted control plane: user-data with a token, pivot at the first boot",
    ignition_server.served,
)  # fmt: skip
