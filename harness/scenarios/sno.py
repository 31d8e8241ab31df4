"""Single node, bootstrap in place from a live ISO: overlay in memory, install, pivot, node."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from harness.scenarios.medium import booted_from_iso, live_plan
from harness.scenarios.scenario import AppliedNode, Inputs, Rig, Scenario, Way
from harness.scenarios.single_node import LEVELS, REBOOTS, brought_up, single_node

_PLAN = live_plan("sno", 4096)


@contextmanager
def _bring_up(rig: Rig, inputs: Inputs) -> Iterator[AppliedNode]:
    node = single_node(rig, inputs)
    with (
        booted_from_iso(rig, inputs, _PLAN, node.live) as boot,
        brought_up(rig, boot, node) as applied,
    ):
        yield applied


SCENARIO = Scenario(
    name=_PLAN.name,
    title="Single node from a live ISO: bootstrap in place, install, pivot, its own cluster",
    memory_mib=_PLAN.memory_mib,
    bring_up=_bring_up,
    way=Way.PIVOT,
    reboots=REBOOTS,
    levels=LEVELS,
)
