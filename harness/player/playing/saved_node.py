"""A machine at a checkpoint: its files, and what the player knows of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from harness.machine.forking.key import Origin
from harness.machine.forking.saved import SavedMachine
from harness.machine.machine import Machine
from harness.model.node_state import NodeState
from harness.model.way import Way
from harness.node.ssh import Session
from harness.player.applied import AppliedNode, Watching


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What tests judge of a node, without the machine."""

    before: NodeState
    after: NodeState
    way: Way
    reboots: int
    node_image: str | None

    @classmethod
    def of(cls, node: AppliedNode) -> Judged:
        """Return what is known of a node."""
        return cls(
            before=node.before, after=node.after, way=node.way, reboots=node.reboots,
            node_image=node.node_image,
        )  # fmt: skip

    def on(self, machine: Machine, session: Session, watch: Watching) -> AppliedNode:
        """Return the node as a fork of it is one."""
        return AppliedNode(
            machine=machine, session=session, before=self.before, after=self.after, way=self.way,
            reboots=self.reboots, node_image=self.node_image, watch=watch,
        )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Notes:
    """What a kept checkpoint has of a machine beside its files. `mac` is that of its segment."""

    boots: int
    is_logged_in: bool
    mac: str = ""
    judged: Judged | None = None

    def to_json(self) -> Mapping[str, Any]:
        """Return values for JSON."""
        text = msgspec.json.encode(self, enc_hook=dict)  # a mapping that cannot be changed
        found: Mapping[str, Any] = msgspec.json.decode(text)
        return found

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Notes:
        """Return the notes of `to_json`.

        Raises:
            msgspec.ValidationError: a field is missing, or has another shape.
        """
        return msgspec.convert(values, cls)


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedNode:
    """A machine at a checkpoint of this run, or at a kept one that was opened."""

    machine: SavedMachine
    origin: Origin
    notes: Notes
