"""Single node as `sno`, but its live system comes by the network and keeps its root in memory."""

from harness.player.plan import FromNetwork
from harness.scenarios.flows.single_node import in_place

SCENARIO = in_place(
    "sno_pxe", "Single node by PXE: live system by the network, install, pivot, its own cluster",
    # The root is in memory as well, and the repository of the node image is kept.
    4608, FromNetwork(),
)  # fmt: skip
