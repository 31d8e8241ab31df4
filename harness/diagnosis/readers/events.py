"""What the guest reports of live-apply: lines on the virtio port `machine.EVENTS_PORT`, as text.

Written by `fixtures/guest/node-image-harness-event`:
`stage=pull state=progress uptime=31.52 detail=anything to the end of the line`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum

from harness.diagnosis.line import Line, Stream
from harness.diagnosis.readers.arrival import Assembler, GuestClock

_LONGEST = 16_384
_FAILED_PRIORITY = 3
# A guest reads the time before it waits for its turn to write, up to 10 s: events change places.
_DISORDER_S = 15.0
# How much later than it was a line may seem to be; firmware takes as long between two boots.
_LATE_S = 2.0
_LINE = re.compile(r"stage=([a-z-]+) state=([a-z]+) uptime=(\d{1,9}\.\d{1,9}) detail=(.*)")


class EventState(StrEnum):
    """What became of a stage, or what it says."""

    STARTED = "started"
    PROGRESS = "progress"
    LOG = "log"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One line of the guest's; `uptime_s` is the guest's own clock since its kernel started."""

    stage: str
    state: EventState
    uptime_s: float
    detail: str


@dataclass(slots=True, kw_only=True)
class EventReader:
    """Makes events and lines of what arrives on one machine's port for events.

    A line's text is `stage state`, or `stage state: detail`. Events name no boot: one begins where
    the console counts it, for events that are young enough, or where the guest's time starts anew.
    """

    clock: GuestClock = field(default_factory=GuestClock)
    _assembler: Assembler = field(init=False, default_factory=lambda: Assembler(_LONGEST))
    _events: list[Event] = field(init=False, default_factory=list)
    _boot: int = field(init=False, default=1)
    _uptime_s: float = field(init=False, default=0.0)

    @property
    def events(self) -> tuple[Event, ...]:
        """All events of the guest so far, of every boot."""
        return tuple(self._events)

    def feed(self, text: str, now_s: float) -> list[Line]:
        """Return a line for each event that `text` ended; `now_s` is seconds since power-on."""
        events = [_event(line.rstrip("\r")) for line in self._assembler.feed(text)]
        new = [event for event in events if event is not None]
        self._events += new
        boots = [self._count_boot(event.uptime_s, now_s) for event in new]
        # All of a burst first: its last event is the youngest, and has the guest's best time.
        for event, boot in zip(new, boots, strict=True):
            self.clock.hear(boot, event.uptime_s, now_s)
        return [self._line(event, boot, now_s) for event, boot in zip(new, boots, strict=True)]

    def _count_boot(self, uptime_s: float, now_s: float) -> int:
        # The last events of a boot may be read when the console is in the next one.
        is_young = now_s - uptime_s >= self.clock.since_s - _LATE_S
        if self.clock.boot > self._boot and is_young:
            self._boot, self._uptime_s = self.clock.boot, uptime_s
        elif uptime_s < self._uptime_s - _DISORDER_S:
            self._boot, self._uptime_s = self._boot + 1, uptime_s
        self._uptime_s = max(self._uptime_s, uptime_s)
        return self._boot

    def _line(self, event: Event, boot: int, now_s: float) -> Line:
        said = f"{event.stage} {event.state}"
        return Line(
            stream=Stream.EVENTS, at_s=self.clock.at_s(boot, event.uptime_s, now_s),
            text=f"{said}: {event.detail}" if event.detail else said, boot=boot,
            priority=_FAILED_PRIORITY if event.state is EventState.FAILED else 6,
            uptime_s=event.uptime_s,
        )  # fmt: skip


def _event(line: str) -> Event | None:
    match = _LINE.fullmatch(line)
    if match is None or match[2] not in set(EventState):
        return None
    stage, state, uptime, detail = match.groups()
    return Event(
        stage=stage, state=EventState(state), uptime_s=float(uptime), detail=_printable(detail)
    )


def _printable(text: str) -> str:
    return "".join(char if char.isprintable() else " " for char in text).strip()
