"""Single node as `sno`, but its live system comes by the network and keeps its root in memory."""

from harness.scenarios.medium import booted_from_network, live_plan
from harness.scenarios.single_node import in_place

SCENARIO = in_place(
    # The root is in memory as well, and the repository of the node image is kept.
    live_plan("sno_pxe", 4608), booted_from_network,
    "Single node by PXE: live system by the network, install, pivot, its own cluster",
)  # fmt: skip
