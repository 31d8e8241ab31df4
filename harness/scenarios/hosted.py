"""Worker of a hosted control plane: user-data with a token, pivot at the first boot, one reboot.

The control plane runs on the host, beside the ignition server that knows the worker by its token.
"""

from harness.cluster import ignition_server
from harness.scenarios.pivoting import pivoting
from harness.scenarios.start import MachinePlan

SCENARIO = pivoting(
    MachinePlan(name="hosted", memory_mib=2048), ignition_server.served,
    "Worker of a hosted control plane: user-data with a token, pivot at the first boot",
)  # fmt: skip
