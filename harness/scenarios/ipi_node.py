"""IPI control-plane machine: pointer, config from the machine-config server, pivot, one reboot."""

from functools import partial

from harness.cluster.machine_config_server import MASTER
from harness.scenarios.pivoting import as_role, pivoting
from harness.scenarios.start import MachinePlan

SCENARIO = pivoting(
    MachinePlan(name="ipi_node", memory_mib=2048), partial(as_role, MASTER),
    "IPI control-plane machine: config by pointer, pivot at the first boot, node of a cluster",
)  # fmt: skip
