"""Snapshots of a node before and after live-apply, as recorded, and changed copies of them."""

from __future__ import annotations

import dataclasses

from harness.folders import fixture
from harness.model.node_state import Mount, NodeState, parse
from harness.model.units import UnitState

BEFORE = parse(fixture("transcripts/observe-before.txt").read_text())
AFTER = parse(fixture("transcripts/observe-after.txt").read_text())


def with_unit(
    state: NodeState, name: str, active: str, sub: str = "x", restarts: int = 0, result: str = ""
) -> NodeState:
    unit = UnitState(
        name=name, load="loaded", active=active, sub=sub, result=result, restarts=restarts,
        exec_main_status=0,
    )  # fmt: skip
    return dataclasses.replace(state, units={**state.units, name: unit})


def with_mount(
    state: NodeState, mount_point: str, root: str = "/x", device: str = "254:3"
) -> NodeState:
    mount = Mount(mount_point=mount_point, root=root, device=device, fstype="ext4", source="/dev/x")
    return dataclasses.replace(state, mounts=(*state.mounts, mount))


def with_os_release(state: NodeState, **fields: str) -> NodeState:
    return dataclasses.replace(state, os_release={**state.os_release, **fields})
