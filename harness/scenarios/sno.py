"""Single node, bootstrap in place from a live ISO: overlay in memory, install, pivot, node."""

from harness.scenarios.medium import booted_from_iso, live_plan
from harness.scenarios.single_node import in_place

SCENARIO = in_place(
    live_plan("sno", 4096), booted_from_iso,
    "Single node from a live ISO: bootstrap in place, install, pivot, its own cluster",
)  # fmt: skip
