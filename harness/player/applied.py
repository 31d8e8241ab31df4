"""What a played scenario gives to tests: its judged nodes, running, with their snapshots."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Protocol, TypeVar

from harness.model.errors import InputError, RigError
from harness.model.record import MachineRecord
from harness.model.way import Way

if TYPE_CHECKING:
    from harness.machine.machine import Machine
    from harness.model.node_state import NodeState
    from harness.node.ssh import Session

_Value = TypeVar("_Value")

APPLIED = "applied"
"""The end of every scenario, after its last step and the snapshots: the usual point of a fork."""


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


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnNode:
    """A node of one test's own, at a step of its scenario: a fork, or booted cold for the test.

    `checkpoint` is what it was forked from; empty if it was booted. It `is_kept` if it is of an
    earlier run. `applied` is what tests of the scenario's end use, None at an earlier step.
    """

    name: str
    machine: Machine
    watch: Watching
    logged_in: Session | None
    applied: AppliedNode | None = None
    checkpoint: str = ""
    is_kept: bool = False

    @property
    def is_forked(self) -> bool:
        """Whether it is a fork."""
        return bool(self.checkpoint)

    def require_applied(self) -> AppliedNode:
        """Return the node with its node layer.

        Raises:
            InputError: it is at an earlier step, or no test judges it.
        """
        if self.applied is None:
            raise InputError(
                f"machine {self.name}", "not a judged node at the scenario's end",
                f"Use a fork at {APPLIED!r}.",
            )  # fmt: skip
        return self.applied

    @property
    def session(self) -> Session:
        """The SSH session.

        Raises:
            InputError: its scenario had not logged in at that step.
        """
        if self.logged_in is None:
            raise InputError(
                f"machine {self.name}", "used by SSH before a step logged in",
                "Use a step after LogIn.",
            )  # fmt: skip
        return self.logged_in


class CannotForkError(RigError):
    """A checkpoint was made and cannot be used, or could not be made."""

    def __init__(self, checkpoint: str, problem: str) -> None:
        super().__init__(checkpoint, problem, "Start a machine without a checkpoint.")


class Forks(Protocol):
    """What runs forks of the machines of a play that is still up."""

    def fork(self, step: str) -> AbstractContextManager[Mapping[str, OwnNode]]:
        """Run a fork of each machine as it was after `step`; on leaving, all end.

        Raises:
            CannotForkError: its checkpoint is lost.
            InputError: none was asked for.
        """


class NoForks:
    """The forks of nodes that no play has brought up: there are none."""

    def fork(self, step: str) -> AbstractContextManager[Mapping[str, OwnNode]]:
        """Raise."""
        raise no_checkpoint("nodes", step, ())


def no_checkpoint(scenario: str, step: str, known: Iterable[str]) -> InputError:
    """Return the error for a step at which no checkpoint was made."""
    kept = ", ".join(known) or "none"
    return InputError(
        f"fork of {scenario}", f"no checkpoint was made at {step!r}; there are: {kept}",
        f"Add @pytest.mark.destructive(at={step!r}) to the test.",
    )  # fmt: skip


class AppliedNodes(dict[str, AppliedNode]):
    """The judged nodes of a scenario, by the names of their machines."""

    def __init__(
        self, nodes: Mapping[str, AppliedNode] = MappingProxyType({}), forks: Forks | None = None
    ) -> None:
        super().__init__(nodes)
        self.forks: Forks = forks or NoForks()

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
