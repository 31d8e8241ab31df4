"""The player: takes a scenario's steps, and is the only code that waits for its machines.

It stretches every limit for the host, counts the boots of each machine, and reports progress. While
it waits, it checks that every machine and service can still succeed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Protocol, runtime_checkable

from harness.model.clock import wait_for
from harness.model.errors import DeadlineError, HarnessError
from harness.model.record import State
from harness.node.ssh import ConnectionLostError
from harness.player.applied import APPLIED, AppliedNode, AppliedNodes, OwnNode
from harness.player.inputs import Inputs, Rig
from harness.player.memory import forks_mib, needed_mib
from harness.player.playing.forking import Checkpoints
from harness.player.playing.goals import ask, has_shown_sshd, require_booted, require_phase
from harness.player.playing.keeping import drawn_before
from harness.player.playing.machines import switched_on
from harness.player.playing.pause import pause
from harness.player.playing.progress import Progress, require_step
from harness.player.playing.settling import SETTLE
from harness.player.playing.snapshots import applied_node
from harness.player.playing.stage import Stage, staged
from harness.player.running import Running
from harness.player.scenario import Scenario
from harness.player.steps import Check, Checkpoint, LogIn, Reach, Reboot, Step, SwitchOn

# Not stretched.
_LOOK_S = 0.5


@runtime_checkable
class LivingService(Protocol):
    """A service that can end by itself, as a control plane on this host."""

    def check_alive(self) -> None:
        """Return while it runs, else raise why it ended."""


@contextmanager
def play(scenario: Scenario, rig: Rig, inputs: Inputs) -> Iterator[AppliedNodes]:
    """Context manager that brings up all machines of a scenario; on leaving, all are gone.

    Raises:
        InputError: the scenario contradicts itself, or an image or config cannot be used.
        ProductError: the bootimage or the node image failed.
        RigError: the host failed.
    """
    with _player(scenario, rig, inputs) as player:
        with player.failures_shown():
            player.play()
            nodes = player.applied()
        yield nodes


@contextmanager
def play_to(
    scenario: Scenario,
    rig: Rig,
    inputs: Inputs,
    step: str,
    checkpoints: frozenset[str] = frozenset(),
) -> Iterator[Mapping[str, OwnNode]]:
    """Context manager that brings a scenario up to `step`, for one test; on leaving, all are gone.

    Checkpoints are only made after the steps `checkpoints`.

    Raises:
        InputError: the scenario has no such step, or an image or config cannot be used.
        ProductError: the bootimage or the node image failed.
        RigError: the host failed.
    """
    own = replace(rig, until=None, checkpoints=checkpoints)
    with _player(scenario, own, inputs) as player:
        with player.failures_shown():
            nodes = player.play_to(step)
        yield nodes


@contextmanager
def _player(scenario: Scenario, rig: Rig, inputs: Inputs) -> Iterator[_Player]:
    steps = scenario.checked_steps(inputs.given)
    require_step(scenario.name, steps, rig.until)
    own_mib = needed_mib(scenario, rig.memory_mib)
    more_mib = forks_mib(scenario, rig.memory_mib) if rig.checkpoints else 0
    with (
        rig.reserve(scenario.name, own_mib, more_mib),
        staged(scenario, rig, inputs, drawn_before(scenario, rig)) as site,
        ExitStack() as stack,
    ):
        yield _Player(site, stack, steps)


class _Player:
    """One play of a scenario; what it opens is closed with `stack`."""

    def __init__(self, site: Stage, stack: ExitStack, steps: tuple[Step, ...]) -> None:
        self._site = site
        self._rig = site.rig
        self._stack = stack
        self._steps = steps
        self._progress = Progress(site.scenario.name, steps, site.rig)
        self._checkpoints = Checkpoints(site)
        stack.callback(self._checkpoints.close)

    @contextmanager
    def failures_shown(self) -> Iterator[None]:
        """Context manager that shows the machines that still run when its block fails."""
        try:
            yield
        except HarnessError as exc:
            self._rig.at_failure(self._site.endpoints, exc)
            raise

    def play(self, to: str = "") -> None:
        """Take all steps, or those up to the step `to`."""
        for number, step in enumerate(self._steps):
            self._progress.report(number)
            with self._rig.awaiting(partial(self._awaited, number)):
                self._take(step)
            self._note_up(step.machine, number)
            name = self._progress.name(number)
            if name in self._rig.checkpoints:
                self._checkpoints.save(name)
            if name == self._rig.until:
                pause(self._site.endpoints, self._rig, self._check_alive)
            if name == to:
                return

    def play_to(self, step: str) -> Mapping[str, OwnNode]:
        """Take the steps up to `step`, and return all machines as they are then."""
        if step != APPLIED:
            require_step(self._site.name, self._steps, step, "destructive(at=...)")
            self.play(step)
            return {name: _own(each, None) for name, each in self._site.machines.items()}
        self.play()
        applied = self.applied()
        return {name: _own(each, applied.get(name)) for name, each in self._site.machines.items()}

    def applied(self) -> AppliedNodes:
        """Take the snapshots of all judged machines.

        Raises:
            ProductError: a session broke.
            RigError: a snapshot cannot be taken.
        """
        judged = [self._site.machines[name] for name in self._site.scenario.judged]
        nodes = {running.name: self._applied(running) for running in judged}
        if APPLIED in self._rig.checkpoints:
            self._checkpoints.save(APPLIED, nodes)
        return AppliedNodes(nodes, self._checkpoints)

    def _awaited(self, number: int) -> str:
        running = self._site.machines.get(self._steps[number].machine)
        lasting = running.watch.lasting if running else ""
        return self._progress.step(number) + (f"; now {lasting}" if lasting else "")

    def _take(self, step: Step) -> None:
        match step:
            case SwitchOn():
                self._switch_on(step)
            case LogIn():
                self._log_in(self._site.machines[step.machine], step.limit_s)
            case Reach():
                self._reach(self._site.machines[step.machine], step)
            case Reboot():
                self._reboot(self._site.machines[step.machine], step.limit_s)
            case Check():
                self._check(self._site.machines[step.machine], step)
            case Checkpoint():
                self._check_alive()

    def _switch_on(self, step: SwitchOn) -> None:
        plan = self._site.scenario.plan_of(step.machine)
        running = self._stack.enter_context(switched_on(self._rig, self._site, plan))
        for value in self._site.services.values():
            if isinstance(value, LivingService):
                running.watch.look_after(value)
            self._stack.callback(_keep_logs, running, value)
        for other in self._site.machines.values():
            running.watch.look_after(other.watch)
        self._site.add_machine(running)

    def _log_in(self, running: Running, limit_s: float) -> None:
        endpoint = replace(
            self._site.endpoint_of(running.machine), is_shown=partial(has_shown_sshd, running)
        )
        with running.watch.span("login", "login by SSH"):
            try:
                limit = self._rig.deadline(limit_s)
                session = self._rig.connect(endpoint, limit, self._check_alive)
                running.logged_in = self._stack.enter_context(session)
            except DeadlineError as exc:
                raise running.watch.stuck(str(exc)) from exc
        running.watch.say(f"logged in by SSH after {running.watch.elapsed_s:.0f} s")

    def _reach(self, running: Running, step: Reach) -> None:
        goal = f"{step.phase} in boot {running.boot}"
        limit_s = step.limit_s + self._site.large_pull_s  # the pull may be on the way to the phase
        self._wait(running, goal, partial(require_phase, running, step.phase), limit_s)

    def _reboot(self, running: Running, limit_s: float) -> None:
        running.boot += 1
        session = running.logged_in
        limit = self._rig.deadline(limit_s)
        with running.watch.span("reboot", f"reboot into boot {running.boot}"):
            if session is not None:
                session.close()
            self._wait(running, f"boot {running.boot}", partial(require_booted, running), limit_s)
            if session is None:
                return
            try:
                # The console shows a kernel before the sshd of the last one is known to be gone.
                session.wait_for_reboot(running.watch.boot_ids_before(running.boot), limit)
            except DeadlineError as exc:
                raise running.watch.stuck(str(exc)) from exc
        running.watch.say(f"logged in to boot {running.boot} after {running.watch.elapsed_s:.0f} s")

    def _check(self, running: Running, step: Check) -> None:
        look = partial(ask, self._rig, running, step)
        try:
            self._wait(running, step.name, look, step.limit_s, or_go_on=step.or_go_on)
        except ConnectionLostError as exc:
            self._check_alive()
            problem = f"the SSH session broke in the check {step.name}: {exc}"
            raise running.watch.failed(problem) from exc

    def _wait(
        self,
        running: Running,
        goal: str,
        check: Callable[[], None],
        limit_s: float,
        *,
        or_go_on: bool = False,
    ) -> None:
        def look() -> None:
            self._check_alive()
            check()

        try:
            wait_for(goal, look, self._rig.deadline(limit_s), _LOOK_S)
        except DeadlineError as exc:
            if not or_go_on:
                raise running.watch.stuck(str(exc)) from exc
            running.watch.say(f"goes on without {goal}: {exc.reason}")

    def _check_alive(self) -> None:
        """Return while every machine and service can still succeed, else raise why one cannot."""
        for running in self._site.machines.values():
            running.watch.check_alive()

    def _note_up(self, machine: str, number: int) -> None:
        """Record a machine that no test judges as up after the last of its steps."""
        later = {step.machine for step in self._steps[number + 1 :]}
        if machine and machine not in later and machine not in self._site.scenario.judged:
            self._site.machines[machine].watch.note(state=State.UP)

    def _applied(self, running: Running) -> AppliedNode:
        with (
            self._rig.awaiting(partial("{}: waiting for systemd's jobs".format, running.name)),
            running.watch.phase("settle", "settling of systemd's jobs"),
        ):
            self._check(running, SETTLE)
        return applied_node(running, self._site.scenario.way, self._rig)


def _own(running: Running, applied: AppliedNode | None) -> OwnNode:
    return OwnNode(
        name=running.name, machine=running.machine, watch=running.watch,
        logged_in=running.logged_in, applied=applied,
    )  # fmt: skip


def _keep_logs(running: Running, service: object) -> None:
    logs: tuple[Path, ...] = getattr(service, "logs", ())
    for log in logs:
        running.evidence.keep_log(log)
