"""IPI worker: as `ipi_node`, in the worker's role."""

from functools import partial

from harness.cluster.machine_config_server import WORKER
from harness.scenarios.flows.pivoting import as_role, pivoting

SCENARIO = pivoting(
    "ipi_worker", "IPI worker: config by pointer, pivot at the first boot, node of a cluster",
    partial(as_role, WORKER),
)  # fmt: skip
