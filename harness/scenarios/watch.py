"""Watching a machine from outside while it comes up: console, Ignition's port, the guest's events.

Whoever waits for the guest asks `Watch.insist_alive` meanwhile, so that a boot that is lost ends
the wait within seconds, and says in which phase and by which lines.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from harness.machine.driver import is_guests_doing
from harness.machine.machine import EVENTS_PORT, IGNITION_PORT, Machine
from harness.model.clock import SYSTEM_CLOCK, Clock
from harness.model.errors import ProductError, RigError
from harness.node import boot_signs, events
from harness.node.events import Event, State
from harness.scenarios.evidence import scrubbed

# The console tells of the emergency shell a little before Ignition's port has told why.
_GRACE_S = 5.0
_TOLD_LINES = 15
_TOLD_STATES = (State.STARTED, State.PROGRESS, State.DONE)


@dataclass(slots=True, kw_only=True)
class Watch:
    """One machine watched from its start; `tell` gets what is new, with the seconds so far.

    `keep` is called when a phase or stage begins or ends: a killed run leaves evidence, too.
    """

    machine: Machine
    tell: Callable[[str], None]
    evidence: Path
    keep: Callable[[], None] = lambda: None
    grace_s: float = _GRACE_S
    clock: Clock = field(default=SYSTEM_CLOCK, repr=False)
    _started_s: float = field(init=False)
    _lost_s: float | None = field(init=False, default=None)
    _phase: str = field(init=False, default="")
    _told: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        self._started_s = self.clock.monotonic()

    @property
    def elapsed_s(self) -> float:
        """Seconds since the machine was switched on."""
        return self.clock.monotonic() - self._started_s

    @property
    def events(self) -> tuple[Event, ...]:
        """What the guest has told of live-apply so far."""
        return events.parse(self._port(EVENTS_PORT))

    def say(self, text: str) -> None:
        """Tell `text` with the seconds since the start."""
        self.tell(f"{text} ({self.elapsed_s:.0f} s)")

    def insist_alive(self) -> None:
        """Tell what is new, and return while the boot can still succeed.

        Raises:
            ProductError: the guest stopped, Ignition or a stage of live-apply failed.
            RigError: QEMU ended, or the harness's own part in the guest failed.
        """
        console = _read(self.machine.console)
        self._tell_news(console)
        self._insist_running(console)
        self._insist_not_lost(console)
        self._insist_no_stage_failed()

    def failed(self, problem: str, lines: tuple[str, ...] = ()) -> ProductError:
        """Return the error for a product that failed: the problem, the decisive lines, where."""
        return ProductError(self._told_with(problem, lines))

    def stuck(self, problem: str) -> ProductError:
        """Return the error for a boot that came to no end: the phase and the console's last."""
        console = _read(self.machine.console)
        seen = self.events
        now = f"{seen[-1].stage} of live-apply" if seen else boot_signs.phase(console)
        return self.failed(f"{problem}, during {now}", boot_signs.last_lines(console))

    def _tell_news(self, console: str) -> None:
        phase = boot_signs.phase(console)
        seen = self.events
        new = seen[self._told :]
        is_news = phase != self._phase or any(e.state is not State.PROGRESS for e in new)
        if phase != self._phase:
            self._phase = phase
            self.say(phase)
        for event in new:
            if event.state in _TOLD_STATES:
                self.say(f"{event.stage}: {event.detail or event.state}")
        self._told = len(seen)
        if is_news:
            self.keep()

    def _insist_running(self, console: str) -> None:
        reason = self.machine.why_stopped()
        if reason is None:
            return
        problem = f"the machine stopped during {boot_signs.phase(console)}: {reason}"
        text = self._told_with(problem, boot_signs.last_lines(console))
        if is_guests_doing(reason):
            raise ProductError(text)
        raise RigError(text)

    def _insist_not_lost(self, console: str) -> None:
        report = boot_signs.ignition_report(self._port(IGNITION_PORT))
        sign = boot_signs.lost(console)
        if sign is None and report is None:
            return
        if self._lost_s is None:
            self._lost_s = self.clock.monotonic()
        if not (report and report.is_complete) and not self._grace_is_over:
            return
        problem = (
            f"the boot failed during {boot_signs.phase(console)}: {sign or 'Ignition gave up'}"
        )
        told = report.errors if report else ()
        raise self.failed(problem, told or boot_signs.last_lines(console))

    @property
    def _grace_is_over(self) -> bool:
        return self._lost_s is not None and self.clock.monotonic() - self._lost_s > self.grace_s

    def _insist_no_stage_failed(self) -> None:
        failure = events.failure(self.events)
        if failure is None:
            return
        kind = RigError if failure.is_own else ProductError
        problem = f"live-apply failed in stage {failure.stage}: {failure.detail}"
        raise kind(self._told_with(problem, failure.log[-_TOLD_LINES:]))

    def _told_with(self, problem: str, lines: tuple[str, ...]) -> str:
        quoted = (f"  | {scrubbed(line)}" for line in lines)
        where = f"  evidence: {self.evidence}"
        return "\n".join((f"{problem} (after {self.elapsed_s:.0f} s)", *quoted, where))

    def _port(self, name: str) -> str:
        return _read(self.machine.port_files[name])


def _read(path: Path) -> str:
    """Return a file that QEMU writes to; empty until QEMU made it."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return ""
