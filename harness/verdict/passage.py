"""What a node is judged by: its states before and after the node layer, and how it came there."""

from __future__ import annotations

from dataclasses import dataclass

from harness.model.node_state import NodeState
from harness.model.way import Way


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """How a node came from `before`, the booted bootimage, to `after`.

    `boots` counts the kernels that started, and `reboots` is how many more than one a bootimage
    with the node layer inside would need. `base_version` is the version that the node image names
    as its CoreOS base. Without it the booted image is taken for the base; real bootimages may be
    older than the base. `digest` is the node image's.
    """

    before: NodeState
    after: NodeState
    way: Way = Way.LIVE_APPLY
    boots: int = 1
    reboots: int = 0
    base_version: str | None = None
    digest: str | None = None
