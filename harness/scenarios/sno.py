"""Single node, bootstrap in place from a live ISO: overlay in memory, install, pivot, node."""

from harness.player.plan import FromIso
from harness.scenarios.flows.single_node import in_place

SCENARIO = in_place(
    "sno", "Single node from a live ISO: bootstrap in place, install, pivot, its own cluster",
    4096, FromIso(),
)  # fmt: skip
