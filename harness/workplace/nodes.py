"""The nodes of this process that are up, each scenario brought up once for all of its tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from harness.machine.driver import is_guests_doing
from harness.model.errors import HarnessError, InputError, ProductError, RigError
from harness.model.node_state import NodeState
from harness.player.applied import AppliedNodes, CannotForkError, Forks, OwnNode, only
from harness.player.scenario import Scenario


@dataclass(slots=True, kw_only=True)
class _Up:
    """A scenario whose nodes are up, and the number of its users."""

    nodes: AppliedNodes
    stack: ExitStack
    users: int = 0


@dataclass(slots=True, kw_only=True)
class _Failed:
    """A scenario that failed, and the askers that have got the error."""

    error: HarnessError
    askers: set[str]


class Nodes:
    """Brings scenarios up by `play` at the first use of their nodes."""

    def __init__(
        self,
        play: Callable[[Scenario], AbstractContextManager[AppliedNodes]],
        play_to: Callable[[Scenario, str], AbstractContextManager[Mapping[str, OwnNode]]],
        revive: Callable[[Scenario, str], AbstractContextManager[Forks]] | None = None,
    ) -> None:
        self._play = play
        self._play_to = play_to
        self._revive = revive
        self._revived: dict[tuple[str, str], Forks | None] = {}
        self._revivals = ExitStack()
        self.forks_at: frozenset[str] = frozenset()
        """The steps at which tests want forks; while there are some, unused nodes stay up."""
        self.are_fresh = False
        """Whether tests that want forks get machines that were booted cold."""
        self._up: dict[str, _Up] = {}
        self._ended: dict[str, dict[str, NodeState]] = {}
        self._failed: dict[str, _Failed] = {}

    @contextmanager
    def of(self, scenario: Scenario, asker: str = "") -> Iterator[AppliedNodes]:
        """Context manager that yields the nodes of `scenario`, brought up unless they are up.

        `asker` is the test's parameter: a scenario that failed fails the same for each asker, and
        is brought up again for one that asks again, as a rerun does.
        """
        up = self._up.get(scenario.name) or self._brought_up(scenario, asker)
        up.users += 1
        try:
            yield up.nodes
        finally:
            up.users -= 1
            # Each of several nodes has its own tests, and later tests may want forks: they stay
            # until another scenario starts.
            if len(up.nodes) == 1 and not self.forks_at:
                self.take_down_unused()

    @contextmanager
    def own(self, scenario: Scenario, step: str, asker: str) -> Iterator[Mapping[str, OwnNode]]:
        """Context manager that yields all machines of `scenario` at `step`, for one test alone.

        They are forks if a checkpoint can be used: of the shared nodes if these are up, else a kept
        one of an earlier run, else one of the shared nodes, which then come up. Without one, they
        are booted.

        Raises:
            InputError: no checkpoint was to be made at this step.
        """
        with ExitStack() as stack:
            yield self._own(scenario, step, asker, stack)

    def _own(
        self, scenario: Scenario, step: str, asker: str, stack: ExitStack
    ) -> Mapping[str, OwnNode]:
        if not self.are_fresh:
            if (kept := self.kept_fork(scenario, step, stack)) is not None:
                return kept
            nodes = stack.enter_context(self.of(scenario, asker))
            with suppress(CannotForkError):  # the play has reported why
                return stack.enter_context(nodes.forks.fork(step))
        return stack.enter_context(self._play_to(scenario, step))

    def kept_fork(
        self, scenario: Scenario, step: str, stack: ExitStack
    ) -> Mapping[str, OwnNode] | None:
        """Return forks of a kept checkpoint, None if there is none to be used."""
        if self._revive is None or scenario.name in self._up:
            return None
        key = (scenario.name, step)
        try:
            if key not in self._revived:
                self._revived[key] = None
                self._revived[key] = self._revivals.enter_context(self._revive(scenario, step))
            forks = self._revived[key]
            return None if forks is None else stack.enter_context(forks.fork(step))
        except CannotForkError:  # it was reported why
            self._revived[key] = None
            return None

    def close(self) -> None:
        """Take down the nodes without users, and what forks of kept checkpoints need."""
        with ExitStack() as closing:
            closing.push(self._revivals.pop_all())
            self.take_down_unused()

    def end_state(self, scenario: Scenario) -> NodeState:
        """Return the state in which a node ended that came up in this process, or comes up now.

        Raises:
            InputError: the scenario has several nodes.
        """
        if len(scenario.judged) > 1:
            several = ", ".join(scenario.judged)
            raise InputError(
                f"end state of scenario {scenario.name}", f"has several nodes: {several}",
                "Compare applied_nodes['NAME'].after instead.",
            )  # fmt: skip
        if scenario.name not in self._ended:
            with self.of(scenario):
                pass
        return only(self._ended[scenario.name])

    def why_dead(self, scenario: str, evidence: Path) -> HarnessError | None:
        """Return the fatal error of a node that is up, None if it has none."""
        up = self._up.get(scenario)
        for node in up.nodes.values() if up else ():
            try:
                node.watch.check_alive()
            except HarnessError as exc:
                return exc
            if reason := node.machine.why_stopped():
                return why_dead(reason, scenario, evidence)
        return None

    def take_down_unused(self) -> None:
        """Take down the nodes without users, also if one of them cannot be taken down."""
        with ExitStack() as closing:
            for name in [name for name, up in self._up.items() if not up.users]:
                closing.enter_context(self._up.pop(name).stack)

    def _brought_up(self, scenario: Scenario, asker: str) -> _Up:
        failed = self._failed.get(scenario.name)
        if failed is not None and asker not in failed.askers:
            failed.askers.add(asker)
            raise failed.error.with_traceback(None)
        try:
            up = self._bring_up(scenario)
        except HarnessError as exc:
            self._failed[scenario.name] = _Failed(error=exc, askers={asker})
            raise
        self._failed.pop(scenario.name, None)
        return up

    def _bring_up(self, scenario: Scenario) -> _Up:
        self.take_down_unused()
        with ExitStack() as stack:
            nodes = stack.enter_context(self._play(scenario))
            self._ended[scenario.name] = {name: node.after for name, node in nodes.items()}
            self._up[scenario.name] = _Up(nodes=nodes, stack=stack.pop_all())
        self._look_again_for_kept(scenario.name)
        return self._up[scenario.name]

    def _look_again_for_kept(self, scenario: str) -> None:
        """Forget that there was no kept checkpoint: the boot may have made some."""
        tried = self._revived.items()
        self._revived = {key: forks for key, forks in tried if forks or key[0] != scenario}


def why_dead(reason: str, scenario: str, evidence: Path) -> HarnessError:
    """Return the error for a node whose machine stopped after it had come up.

    A guest that crashes or switches itself off misbehaves; a QEMU that ends is the host's fault.
    """
    subject, problem = f"node of scenario {scenario}", f"its machine stopped: {reason}"
    if is_guests_doing(reason):
        return ProductError(subject, f"{problem}\n  evidence: {evidence}")
    return RigError(subject, problem, f"Look at QEMU's messages in {evidence}.")
