"""What a played scenario gives to tests: its judged nodes, running, with their snapshots."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, TypeVar

from harness.model.errors import InputError
from harness.model.record import MachineRecord
from harness.model.way import Way

if TYPE_CHECKING:
    from harness.machine.machine import Machine
    from harness.model.node_state import NodeState
    from harness.node.ssh import Session

_Value = TypeVar("_Value")


class Watching(Protocol):
    """What watches a machine from outside: a `watching.Watch`, or `Unwatched`."""

    @property
    def boots(self) -> int:
        """How many kernels the machine has started so far."""

    @property
    def record(self) -> MachineRecord:
        """The report of the machine so far."""

    def check_alive(self) -> None:
        """Return while nothing fatal was seen, else raise the diagnosis."""

    def phase(self, name: str, title: str) -> AbstractContextManager[None]:
        """Record the block as a phase of the machine."""


class Unwatched:
    """Watches nothing, for nodes that the harness does not run."""

    boots = 1
    record = MachineRecord(name="unwatched", scenario="", folder="")

    def check_alive(self) -> None:
        """Never raise."""

    def phase(self, name: str, title: str) -> AbstractContextManager[None]:
        """Record nothing."""
        return nullcontext()


@dataclass(frozen=True, slots=True, kw_only=True)
class AppliedNode:
    """A node with its node layer: still running, with its state before and after.

    `reboots` is how often a bootimage with the node layer inside would reboot as well. `node_image`
    is the image that the node said to pull: empty if it said nothing, None if nothing listened.
    """

    machine: Machine
    session: Session
    before: NodeState
    after: NodeState
    way: Way = Way.LIVE_APPLY
    reboots: int = 0
    node_image: str | None = None
    watch: Watching = field(default_factory=Unwatched)


class AppliedNodes(dict[str, AppliedNode]):
    """The judged nodes of a scenario, by the names of their machines."""

    @property
    def only(self) -> AppliedNode:
        """The node of a scenario with one judged machine.

        Raises:
            InputError: there are several.
        """
        return only(self)


def only(by_machine: Mapping[str, _Value]) -> _Value:
    """Return the value of the one judged machine.

    Raises:
        InputError: there are several.
    """
    if len(by_machine) > 1:
        raise InputError(
            "applied_node", f"the scenario has several nodes: {', '.join(by_machine)}",
            "Use applied_nodes['NAME'] instead.",
        )  # fmt: skip
    return next(iter(by_machine.values()))
