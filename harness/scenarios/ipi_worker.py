"""IPI worker: as `ipi_node`, in the worker's role."""

from functools import partial

from harness.cluster.machine_config_server import WORKER
from harness.scenarios.pivoting import as_role, pivoting
from harness.scenarios.start import MachinePlan

SCENARIO = pivoting(
    MachinePlan(name="ipi_worker", memory_mib=2048), partial(as_role, WORKER),
    "IPI worker: config by pointer, pivot at the first boot, node of a cluster",
)  # fmt: skip
