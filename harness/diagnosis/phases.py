"""Detect from a machine's lines which phase of its boot it is in, and when each began and ended.

The phases and their marks are data (`phase_table`). Any stream may show any phase, and late: of
several marks the earliest counts, whenever it arrives, and times are corrected as the guest's clock
gets known better.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

from harness import folders
from harness.diagnosis import phase_table
from harness.diagnosis.line import Line, Stream
from harness.diagnosis.mark import Hit, Mark, is_repeated
from harness.diagnosis.phase_layout import Sight, lay_out
from harness.diagnosis.phase_table import Edge, Phase, PhaseMark
from harness.diagnosis.readers.arrival import GuestClock
from harness.model.record import PhaseRecord

_MOST_ALIKE = 20
_State = tuple[int, str, str]
_Owner = tuple[Phase, Edge, PhaseMark]


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """When something was seen, in seconds since power-on, and by the guest's own clock."""

    at_s: float
    uptime_s: float | None


@dataclass(slots=True)
class Tracker:
    """Follows one machine from power-on, over its reboots.

    A phase whose unit failed counts as failed until it begins again, as systemd restarts it.
    """

    phases: tuple[Phase, ...]
    _owners: dict[Mark, list[_Owner]] = field(init=False, repr=False)
    # What was seen, with the guest's own time; its clock may get known better later.
    _seen: list[tuple[Sight, float | None]] = field(init=False, default_factory=list)
    _clock: GuestClock = field(init=False, default_factory=GuestClock)
    _by_host: list[PhaseRecord] = field(init=False, default_factory=list)
    _spans: list[PhaseRecord] = field(init=False, default_factory=list)
    _reported: set[_State] = field(init=False, default_factory=set)
    _next_boots: set[int] = field(init=False, default_factory=set)
    _failed: PhaseRecord | None = field(init=False, default=None)
    _known: tuple[PhaseRecord, ...] = field(init=False, default=())
    # Asked for at every look at a machine; None when a line or a failure may have changed it.
    _laid_out: tuple[PhaseRecord, ...] | None = field(init=False, default=None)
    _boot: int = field(init=False, default=1)
    # The units and stages that phases are made of.
    _parts: set[str] = field(init=False, repr=False, default_factory=set)

    def __post_init__(self) -> None:
        self._owners = {}
        for phase in self.phases:
            for edge, mark in phase.marks:
                self._owners.setdefault(mark.plain, []).append((phase, edge, mark))
        self._parts = {part for phase in self.phases for part in (*phase.units, *phase.stages)}
        first = next(phase for phase in self.phases if phase.depth == 0)
        self._seen.append((Sight(phase=first, edge=Edge.BEGIN, boot=1, at_s=0.0), None))
        self._reported |= {_state(record) for record in self.records}

    @classmethod
    def load(cls, path: Path | None = None) -> Tracker:
        """Return a tracker of the phases in `path`, or of the shipped ones.

        Raises:
            InputError: the table cannot be read, or something is wrong in it.
        """
        return cls(phase_table.read(path) if path else _shipped())

    @property
    def boot(self) -> int:
        """The boot that the machine is in, counted from 1."""
        return self._boot

    @property
    def marks(self) -> tuple[Mark, ...]:
        """All marks of the phases."""
        return tuple(self._owners)

    def feed(self, line: Line, hits: Iterable[Hit]) -> tuple[PhaseRecord, ...]:
        """Take a line and the marks in it into account; return the phases that changed by it.

        Each of that is returned once. Times that a later line corrects are in `records`.
        """
        boot = self._boot_of(line)
        if line.uptime_s is not None:
            self._clock.hear(boot, line.uptime_s, line.at_s)
            self._laid_out = None
        seen = [owner for hit in hits for owner in self._owners.get(hit.mark, ())]
        if not seen or is_repeated(line):
            return ()
        for owner in seen:
            self._see(owner, line, boot)
        news = {state: r for r in self._layout() if (state := _state(r)) not in self._reported}
        self._reported |= news.keys()
        return tuple(news.values())

    def begin(self, name: str, title: str, at_s: float) -> PhaseRecord:
        """Begin a phase that the host drives, as a level of readiness, and return it."""
        record = PhaseRecord(name=name, title=title, begin_s=at_s, boot=self._boot, depth=1)
        self._by_host.append(record)
        self._known = ()
        return record

    def end(self, name: str, at_s: float, *, is_failed: bool = False) -> PhaseRecord | None:
        """End a phase that the host drives and return it; None if it does not last (any more)."""
        for position, record in reversed(list(enumerate(self._by_host))):
            if record.name == name and record.end_s is None:
                self._by_host[position] = replace(record, end_s=at_s, is_failed=is_failed)
                self._known = ()
                return self._by_host[position]
        return None

    def note(self, record: PhaseRecord) -> None:
        """Add what the host saw go well, such as a login.

        It is only recorded: no line or failure is attributed to it.
        """
        self._spans.append(record)

    def fail(self, at_s: float) -> PhaseRecord:
        """End all phases that last, the current one as failed, and return that one.

        What the guest does later is not taken into account any more.
        """
        if self._failed is None:
            current = self.current
            end_s = max(at_s, current.begin_s)
            self._failed = replace(current, end_s=end_s, is_failed=True)
            self._laid_out = None
        return self._failed

    def has_reached(self, name: str, boot: int) -> bool:
        """Return whether a phase of depth 0 began in `boot`, or one of depth 1 ended well."""
        seen = [one for one in self.records if (one.name, one.boot) == (name, boot)]
        return any(not one.depth or self.ended(name, boot) is not None for one in seen)

    def ended(self, name: str, boot: int) -> Moment | None:
        """Return when the phase `name` ended in `boot` by its first mark of that, None if not."""
        seen = [
            Moment(at_s=sight.at_s, uptime_s=uptime_s)
            for sight, uptime_s in self._seen
            if (sight.phase.name, sight.edge, sight.boot) == (name, Edge.END, boot)
        ]
        return min(seen, key=lambda moment: moment.at_s, default=None)

    @property
    def current(self) -> PhaseRecord:
        """The innermost running phase; a failed one is current until another begins."""
        if self._failed is not None:
            return self._failed
        # Asked for every line, and only a mark changes it; `records` corrects times meanwhile.
        self._known = self._known or self._places()
        latest_s = max(record.begin_s for record in self._known)
        lasting = [record for record in self._known if record.end_s is None]
        failed = [
            record
            for record in self._known
            if record.is_failed and record.end_s is not None and record.end_s >= latest_s
        ]
        return max(failed or lasting, key=lambda record: (record.depth, record.begin_s))

    def phase_at(self, at_s: float) -> str:
        """Return the phase of a moment; the journal's first lines come when they are old."""
        current = self.current
        if at_s >= current.begin_s:
            return current.name
        past = [record for record in self._places() if record.begin_s <= at_s]
        return max(past, key=lambda record: (record.begin_s, record.depth)).name

    def place_of(self, line: Line, phase: str) -> str:
        """Return `phase`, or its phase of the chain if the unit of a line is not part of it."""
        about = line.text.partition(" ")[0] if line.stream is Stream.EVENTS else line.unit
        inner = next((one for one in self.phases if one.name == phase), None)
        if not about or about in self._parts or inner is None or not inner.units:
            return phase
        chain = [one for one in self._places() if not one.depth and one.begin_s <= line.at_s]
        return max(chain, key=lambda one: one.begin_s).name if chain else phase

    @property
    def records(self) -> tuple[PhaseRecord, ...]:
        """All phases so far, in the order of their begin, the outer ones first."""
        return self._in_order([*self._layout(), *self._by_host, *self._spans])

    def _places(self) -> tuple[PhaseRecord, ...]:
        """Return the records of the phases that a line or failure can be in."""
        asides = {phase.name for phase in self.phases if phase.aside}
        laid_out = [record for record in self._layout() if record.name not in asides]
        return self._in_order([*laid_out, *self._by_host])

    def _layout(self) -> tuple[PhaseRecord, ...]:
        if self._laid_out is None:
            self._laid_out = tuple(lay_out(self.phases, self._sights()))
        return self._laid_out

    def _in_order(self, records: list[PhaseRecord]) -> tuple[PhaseRecord, ...]:
        if self._failed is not None:
            records = [_stopped(record, self._failed) for record in records]
        return tuple(sorted(records, key=lambda r: (r.boot, r.begin_s, r.depth)))

    def _see(self, owner: _Owner, line: Line, boot: int) -> None:
        phase, edge, mark = owner
        if mark.next_boot:
            boot += 1
            self._next_boots.add(boot)
        self._boot = max(self._boot, boot)
        sight = Sight(phase=phase, edge=edge, boot=boot, at_s=line.at_s, after=mark.after)
        self._remember(sight, None if mark.next_boot else line.uptime_s)
        self._known, self._laid_out = (), None

    def _remember(self, sight: Sight, uptime_s: float | None) -> None:
        """Keep a sight; of a unit that starts again and again the first ones and the last."""
        alike = [
            position
            for position, (known, _) in enumerate(self._seen)
            if known.phase is sight.phase and (known.edge, known.boot) == (sight.edge, sight.boot)
        ]
        if len(alike) >= _MOST_ALIKE:
            del self._seen[alike[-1]]
        self._seen.append((sight, uptime_s))

    def _boot_of(self, line: Line) -> int:
        """Return a line's boot: firmware and boot loader write before the next kernel counts it.

        They have no time stamps, which the kernel that ends has to its last line.
        """
        is_theirs = line.stream is Stream.CONSOLE and line.uptime_s is None
        return line.boot + 1 if is_theirs and line.boot + 1 in self._next_boots else line.boot

    def _sights(self) -> Iterator[Sight]:
        for sight, uptime_s in self._seen:
            if uptime_s is not None:
                at_s = self._clock.at_s(sight.boot, uptime_s, sight.at_s)
                sight = replace(sight, at_s=at_s)
            if self._failed is None or sight.at_s <= (self._failed.end_s or 0.0):
                yield sight


@cache
def _shipped() -> tuple[Phase, ...]:
    return phase_table.read(folders.fixture("diagnosis/phases.toml"))


def names() -> tuple[str, ...]:
    """Return the names of the phases that a machine can reach, in the order of their table."""
    return tuple(phase.name for phase in _shipped())


def _stopped(record: PhaseRecord, failed: PhaseRecord) -> PhaseRecord:
    """Return a record of a machine that ended in the phase `failed`."""
    if (record.boot, record.name, record.depth) == (failed.boot, failed.name, failed.depth):
        return replace(record, end_s=failed.end_s, is_failed=True)
    if record.end_s is None:
        return replace(record, end_s=max(failed.end_s or 0.0, record.begin_s))
    return record


def _state(record: PhaseRecord) -> _State:
    """Return what a listener has to know of a record."""
    if record.is_failed:
        return record.boot, record.name, "failed"
    return record.boot, record.name, "lasts" if record.end_s is None else "ended"
