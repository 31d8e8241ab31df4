"""Single node as `sno`, but its live system comes by the network and keeps its root in memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from harness.scenarios.medium import booted_from_network, live_plan
from harness.scenarios.scenario import AppliedNode, Inputs, Rig, Scenario, Way
from harness.scenarios.single_node import LEVELS, REBOOTS, brought_up, single_node

# The root is in memory as well, and the repository of the node image is kept.
_PLAN = live_plan("sno_pxe", 4608)


@contextmanager
def _bring_up(rig: Rig, inputs: Inputs) -> Iterator[AppliedNode]:
    node = single_node(rig, inputs)
    with (
        booted_from_network(rig, inputs, _PLAN, node.live) as boot,
        brought_up(rig, boot, node) as applied,
    ):
        yield applied


SCENARIO = Scenario(
    name=_PLAN.name,
    title="Single node by PXE: live system by the network, install, pivot, its own cluster",
    memory_mib=_PLAN.memory_mib,
    bring_up=_bring_up,
    way=Way.PIVOT,
    reboots=REBOOTS,
    levels=LEVELS,
)
