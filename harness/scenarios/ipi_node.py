"""IPI control-plane machine: pointer, config from the machine-config server, pivot, one reboot."""

from functools import partial

from harness.cluster.machine_config_server import MASTER
from harness.scenarios.flows.pivoting import as_role, pivoting

SCENARIO = pivoting(
    "ipi_node",
    "IPI control-plane machine: config by pointer, pivot at the first boot, node of a cluster",
    partial(as_role, MASTER),
)
