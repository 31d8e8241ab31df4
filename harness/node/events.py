"""What the guest tells of live-apply: lines on the virtio port `machine.EVENTS_PORT`, read as text.

Written by `fixtures/guest/node-image-harness-tell`:
`stage=pull state=progress uptime=31.52 detail=anything to the end of the line`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

MULTI_USER = "multi-user"
"""The stage that is told as done when the node is back in multi-user.target."""
FINISH = "finish"
"""The stage that is told as done when the overlay is complete."""
_OWN = "harness-"
_LINE = re.compile(r"stage=([a-z-]+) state=([a-z]+) uptime=(\d+\.\d+) detail=(.*)")


class State(StrEnum):
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
    state: State
    uptime_s: float
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A stage that failed, and the last lines of its unit's journal."""

    stage: str
    detail: str
    log: tuple[str, ...]

    @property
    def is_own(self) -> bool:
        """Whether the harness's own part of the guest failed, and not the image's."""
        return self.stage.startswith(_OWN)


def parse(text: str) -> tuple[Event, ...]:
    """Return the events in `text`; a last line that is still being written is left for later.

    Lines of any other form are passed over: a guest may write what it likes to the port.
    """
    parsed = (_event(line.rstrip("\r")) for line in text.split("\n")[:-1])
    return tuple(event for event in parsed if event is not None)


def failure(events: Iterable[Event]) -> Failure | None:
    """Return the first stage that failed, if one did."""
    log: dict[str, list[str]] = {}
    for event in events:
        if event.state is State.LOG:
            log.setdefault(event.stage, []).append(event.detail)
        elif event.state is State.FAILED:
            said = tuple(log.get(event.stage, ()))
            return Failure(stage=event.stage, detail=event.detail, log=said)
    return None


def is_done(events: Iterable[Event], stage: str) -> bool:
    """Return whether the guest told that `stage` is done."""
    return any(event.stage == stage and event.state is State.DONE for event in events)


def durations_s(events: Iterable[Event]) -> tuple[tuple[str, float], ...]:
    """Return how long each stage took that is done, by the guest's clock.

    One that did not tell its start is taken to have begun when the one before was done.
    """
    began: dict[str, float] = {}
    took: list[tuple[str, float]] = []
    previous: float | None = None
    for event in events:
        if event.state is State.STARTED:
            began[event.stage] = event.uptime_s
        elif event.state is State.DONE:
            start = began.get(event.stage, previous)
            previous = event.uptime_s
            if start is not None:
                took.append((event.stage, event.uptime_s - start))
    return tuple(took)


def _event(line: str) -> Event | None:
    match = _LINE.fullmatch(line)
    if match is None or match[2] not in set(State):
        return None
    stage, state, uptime, detail = match.groups()
    return Event(stage=stage, state=State(state), uptime_s=float(uptime), detail=_printable(detail))


def _printable(text: str) -> str:
    return "".join(char if char.isprintable() else " " for char in text).strip()
