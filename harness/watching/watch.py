"""The watch of a machine from outside while it comes up: its output, its phase, its faults.

Every wait for the guest calls `Watch.check_alive`, so that a boot that cannot succeed ends the wait
within seconds, with the phase, the cause and the lines that show it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Protocol

from harness.diagnosis.diagnosis import Diagnosis
from harness.diagnosis.engine import Engine
from harness.diagnosis.line import Line, Stream
from harness.diagnosis.mark import Hit
from harness.diagnosis.narrate import narrate, narrate_failed, narrate_stuck
from harness.diagnosis.readers.events import Event
from harness.machine.machine import Machine
from harness.model.clock import SYSTEM_CLOCK, Clock, Deadline, process_cpu_s
from harness.model.errors import HarnessError, ProductError, blamed
from harness.model.record import (
    MachineRecord,
    Missing,
    MissingCommand,
    MissingUnit,
    PhaseRecord,
    QuotedLine,
    State,
)
from harness.watching.evidence import Evidence
from harness.watching.streams import Streams

# How long one read of the streams may take; the rest is read next time.
_LOOK_S = 0.5
# How many lines of each stream are quoted of a boot that got stuck.
_LAST_LINES = 6
# A record is written at each change, and at least this often.
_KEEP_EVERY_S = 10.0
_PROGRESS_EVERY_S = 10.0
_PROGRESS = " progress: "


class Living(Protocol):
    """What can end by itself: another machine's watch, or a process of the host."""

    def check_alive(self) -> None:
        """Return while it lives, else raise why it does not."""


class Watch:
    """One machine watched from its start; `report` gets a line for each phase that passed.

    `package_of` returns the node layer's package that contains a command or a unit, without
    waiting.
    """

    def __init__(
        self,
        *,
        machine: Machine,
        evidence: Evidence,
        engine: Engine,
        report: Callable[[str], None],
        record: MachineRecord,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self.machine = machine
        self.clock = clock
        self.package_of: Callable[[str], str | None] = lambda _: None
        self._evidence = evidence
        self._engine = engine
        self._diagnosis = Diagnosis(engine)
        self._tracker = self._diagnosis.tracker
        self._report = report
        self._streams = Streams(machine, evidence)
        self._record = record
        self._last = {stream: deque[Line](maxlen=_LAST_LINES) for stream in Stream}
        self._fatal: HarnessError | None = None
        self.lasting = ""
        """The titles of the innermost phases that last, as of the last look; for other threads."""
        self._has_stopped = False
        self._others: list[Living] = []
        self._kept_s = self._progress_s = 0.0
        self._started_s = clock.monotonic()
        self._cpu_s = 0.0

    @property
    def elapsed_s(self) -> float:
        """Seconds since the machine was switched on."""
        return self.clock.monotonic() - self._started_s

    @property
    def events(self) -> tuple[Event, ...]:
        """The events of live-apply that the guest reported so far."""
        return self._streams.events.events

    @property
    def boots(self) -> int:
        """The number of kernels that the machine has started so far."""
        return max(record.boot for record in self._tracker.records)

    def boot_ids_before(self, number: int) -> tuple[str, ...]:
        """Return the kernel's ids of the boots before the boot `number`, from the journal."""
        return tuple(name for name, boot in self._streams.boot_ids.items() if boot < number)

    def has_reached(self, phase: str, boot: int) -> bool:
        """Return whether a phase of depth 0 began in `boot`, or one of depth 1 ended well."""
        return self._tracker.has_reached(phase, boot)

    def hits(self, name: str) -> tuple[Hit, ...]:
        """Return the hits of the mark `name`, the oldest first; the latest 200 at most.

        Raises:
            KeyError: no table has the mark.
        """
        return self._diagnosis.hits(name)

    @property
    def record(self) -> MachineRecord:
        """The report of the machine so far."""
        phases, found = self._tracker.records, self._missing()
        return replace(
            self._record,
            elapsed_s=round(self.elapsed_s, 1),
            boots=self.boots,
            phases=tuple(map(_rounded, phases)),
            sightings=self._engine.sightings,
            missing_commands=tuple(one for one in found if isinstance(one, MissingCommand)),
            missing_units=tuple(one for one in found if isinstance(one, MissingUnit)),
            evidence_bytes=self._evidence.size_bytes,
            evidence_cpu_s=round(self._cpu_s, 3),
            artifacts=self._evidence.names,
        )

    def say(self, text: str) -> None:
        """Report `text` with the machine's name."""
        self._report(f"{self._record.name}: {text}")

    def note(self, **changes: object) -> None:
        """Change fields of the machine's record, and write it."""
        self._record = replace(self._record, **changes)  # type: ignore[arg-type]  # by field name
        self.keep()

    def keep(self) -> None:
        """Keep the record as it is now."""
        self._kept_s = self.elapsed_s
        self._evidence.keep_record(self.record)

    def look_after(self, other: Living) -> None:
        """Check another thing as well, without which this machine cannot succeed."""
        self._others.append(other)

    def check_alive(self) -> None:
        """Read and report the news, and return while the boot can still succeed.

        Raises:
            HarnessError: a rule's fatal sighting, of the kind that it blames; always the same.
        """
        for other in self._others:
            other.check_alive()
        if self._fatal is None:
            self._look()
            sighting = self._engine.fatal(self.elapsed_s)
            if sighting is None:
                return
            self._tracker.fail(self.elapsed_s)
            text = narrate(
                sighting, elapsed_s=self.elapsed_s, title_of_phase=self._title_of(sighting.phase),
                evidence=str(self._evidence.folder), warnings=self._engine.warnings,
                missing=self._missing(),
            )  # fmt: skip
            self._fatal = blamed(sighting, self._evidence.redactor(text))
            self.note(state=State.FAILED)
        raise self._fatal.with_traceback(None)  # else each time adds to it

    def stuck(self, problem: str) -> HarnessError:
        """Return the error for a wait that timed out, and that no rule explains."""
        self._tracker.fail(self.elapsed_s)
        text = narrate_stuck(
            problem, elapsed_s=self.elapsed_s, title_of_phase=self._tracker.current.title,
            evidence=str(self._evidence.folder), warnings=self._engine.warnings,
            missing=self._missing(), last_lines=self._last_lines(),
            half_counted=self._engine.half_counted,
        )  # fmt: skip
        self.note(state=State.FAILED)
        return ProductError(self._evidence.redactor(text))

    def failed(self, problem: str) -> ProductError:
        """Return the error for a fault of the product that the caller detected."""
        self.note(state=State.FAILED)
        text = narrate_failed(
            problem, elapsed_s=self.elapsed_s, evidence=str(self._evidence.folder),
            missing=self._missing(),
        )  # fmt: skip
        return ProductError(self._evidence.redactor(text))

    @contextmanager
    def phase(self, name: str, title: str) -> Iterator[None]:
        """Record the block as a phase of the machine, as is done for levels of readiness."""
        self._tracker.begin(name, title, self.elapsed_s)
        try:
            yield
        except HarnessError:
            self._tracker.end(name, self.elapsed_s, is_failed=True)
            raise
        else:
            self._report_phases(self._tracker.end(name, self.elapsed_s))
        finally:
            self.keep()

    @contextmanager
    def span(self, name: str, title: str) -> Iterator[None]:
        """Record the time of the block, if it succeeds, beside the machine's phases."""
        boot, begin_s = self._tracker.boot, self.elapsed_s
        yield
        record = PhaseRecord(
            name=name, title=title, boot=boot, depth=1, begin_s=begin_s, end_s=self.elapsed_s
        )
        self._tracker.note(record)
        self._report_phases(record)
        self.keep()

    def finish(self, qemu_peak_bytes: int) -> None:
        """Read and keep the last output."""
        self._look()
        self._evidence.finish()
        ends = {State.UP: State.FINISHED, State.RUNNING: State.INTERRUPTED}
        state = ends.get(self._record.state, self._record.state)
        self.note(state=state, qemu_peak_bytes=qemu_peak_bytes)

    def name_packages(self, package_of: Callable[[str], str | None]) -> None:
        """Name the packages of missing commands by `package_of`, which may take long.

        An error is only printed, since the machine's verdict stands without packages.
        """
        if all(found.package for found in self._missing()):
            return
        self.package_of = package_of
        try:
            self.keep()
        except HarnessError as exc:
            self.say(f"which packages bring the missing commands is not known: {exc}")

    def _look(self) -> None:
        began_s = process_cpu_s()
        now_s = self.elapsed_s
        lines = self._streams.read(now_s, Deadline.after(_LOOK_S, self.clock))
        if not self._has_stopped and (reason := self.machine.why_stopped()) is not None:
            self._has_stopped = True
            lines.append(Line(stream=Stream.HARNESS, at_s=now_s, text=reason))
        changed = [record for line in lines for record in self._take(line)]
        self._engine.tick(now_s, self._streams.last_byte_s, self._tracker.current.name)
        self.lasting = self._lasting()
        self._report_phases(*changed)
        self._report_progress(lines)
        if changed or now_s - self._kept_s > _KEEP_EVERY_S:
            self.keep()
        self._cpu_s += process_cpu_s() - began_s

    def _take(self, line: Line) -> tuple[PhaseRecord, ...]:
        self._last[line.stream].append(line)
        return self._diagnosis.take(line)

    def _title_of(self, phase: str) -> str:
        titles = {record.name: record.title for record in self._tracker.records}
        return titles.get(phase, phase)

    def _lasting(self) -> str:
        lasting = [record for record in self._tracker.records if record.end_s is None]
        depth = max((record.depth for record in lasting), default=0)
        return ", ".join(record.title for record in lasting if record.depth == depth)

    def _last_lines(self) -> list[QuotedLine]:
        return [line.quoted() for lines in self._last.values() for line in lines]

    def _missing(self) -> tuple[Missing, ...]:
        found = self._diagnosis.detector.found
        return tuple(replace(one, package=self.package_of(one.what)) for one in found)

    def _report_phases(self, *changed: PhaseRecord | None) -> None:
        for record in changed:
            if record and record.end_s is not None and not record.is_failed:
                self.say(f"{record.title} took {record.end_s - record.begin_s:.1f} s")

    def _report_progress(self, lines: list[Line]) -> None:
        events = (line for line in lines if line.stream is Stream.EVENTS)
        reported = [line for line in events if _PROGRESS in line.text]
        if reported and self.elapsed_s - self._progress_s > _PROGRESS_EVERY_S:
            self._progress_s = self.elapsed_s
            self.say(reported[-1].text.replace(_PROGRESS, ": ", 1))


def _rounded(record: PhaseRecord) -> PhaseRecord:
    """Return a phase with times as precise as its marks."""
    end_s = None if record.end_s is None else round(record.end_s, 2)
    return replace(record, begin_s=round(record.begin_s, 2), end_s=end_s)
