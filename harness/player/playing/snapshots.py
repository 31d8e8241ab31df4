"""The snapshots of a judged node: what it was before its node layer, and what it is now."""

from __future__ import annotations

from functools import partial

from harness.guest.live_apply import BEFORE_OVERLAY, OBSERVE
from harness.guest.pivot import BEFORE_PIVOT
from harness.model import node_state
from harness.model.node_state import NodeState
from harness.model.record import LayerRecord, State
from harness.model.way import Way
from harness.player.applied import AppliedNode
from harness.player.inputs import Rig
from harness.player.running import Running

_SNAPSHOT_S = 60.0
_READ_S = 30.0
_TAKEN = "node-image-taken"


def applied_node(running: Running, way: Way, rig: Rig) -> AppliedNode:
    """Take the snapshots of a machine whose jobs have settled; it came up on `way`.

    Raises:
        ProductError: the session broke.
        RigError: a snapshot cannot be taken.
    """
    session = running.session
    path = BEFORE_PIVOT if way is Way.PIVOT else BEFORE_OVERLAY
    was, before = _kept(running, "before", session.read_text(path, rig.deadline(_READ_S)))
    with (
        rig.awaiting(partial("{}: taking the snapshot".format, running.name)),
        running.watch.phase("snapshot", "snapshot of the node"),
    ):
        taken = session.run(OBSERVE, rig.deadline(_SNAPSHOT_S), check=True)
    now, after = _kept(running, "after", taken.stdout)
    node_image = _image_taken(running, after)
    running.watch.note(state=State.UP, before=was, after=now, node_image=node_image)
    return AppliedNode(
        machine=running.machine, session=session, before=before, after=after,
        way=way, reboots=running.boot - 1, watch=running.watch, node_image=node_image,
    )  # fmt: skip


def _image_taken(running: Running, after: NodeState) -> str:
    """Return the image that a node reported to pull, else the digest of what it booted."""
    seen = running.watch.hits(_TAKEN)
    booted = after.booted.image_digest if after.booted else ""
    return seen[-1].groups["image"] if seen else booted


def _kept(running: Running, name: str, text: str) -> tuple[LayerRecord, NodeState]:
    state = node_state.parse(text)
    return running.evidence.keep_state(name, text, state), state
