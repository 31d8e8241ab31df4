"""Units that run but write nothing: a pull that hangs while other units still write.

A unit works from where systemd starts it, or from its first line, to where systemd says that it has
started (as a oneshot does when it is done), failed or stopped. The harness's own units have a
reporter that writes `... in 40 s` every few seconds: not news while nothing else in it changes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from harness.diagnosis.line import Job, Line, Stream

_STREAMS = (Stream.JOURNAL, Stream.CONSOLE)
_ENDS = (
    Job.STARTED, Job.FAILED, Job.JOB_FAILED, Job.DEPENDENCY, Job.STOPPING, Job.STOPPED,
)  # fmt: skip
_CLOCK = re.compile(r"\bin \d+ s\b")
_DISORDER_S = 1.0
_TYPE = re.compile(r"\.(?:service|sh)$")
_MOST_NAMES = 512


@dataclass(slots=True)
class Work:
    """A unit at work. `news_s` is when it said something new, `reports` that it has a reporter."""

    unit: str
    boot: int
    news_s: float
    reports: bool = False
    ended_s: float | None = None
    _text: str = ""

    def hear(self, line: Line) -> None:
        """Take a line that the unit wrote."""
        text, clocks = _CLOCK.subn("", line.text)
        self.reports = self.reports or bool(clocks)
        if not clocks or text != self._text:
            self.news_s = max(self.news_s, line.at_s)
        self._text = text


@dataclass(slots=True)
class Stalls:
    """The units of one machine whose names, or those of their programs, fit `speaker`."""

    speaker: re.Pattern[str]
    _works: dict[str, Work] = field(init=False, default_factory=dict)
    _names: dict[str, str] = field(init=False, default_factory=dict)

    def feed(self, line: Line, identifier: str, *, is_systemds: bool) -> None:
        """Take a line into account: a job of such a unit, or what it wrote."""
        if line.stream not in _STREAMS:
            return
        speaker = line.unit or identifier
        name = self._names.get(speaker)
        if name is None:
            name = self._name_of(speaker)
        if name:
            self._follow(name, line, is_systemds=is_systemds)

    def _follow(self, name: str, line: Line, *, is_systemds: bool) -> None:
        work = self._works.get(name)
        if work is None or work.boot < line.boot:
            if is_systemds and line.job is not Job.STARTING:
                return
            work = self._works[name] = Work(unit=name, boot=line.boot, news_s=line.at_s)
        if line.job in _ENDS:
            work.ended_s = line.at_s
        elif line.job is Job.STARTING and (work.ended_s or 0.0) < line.at_s - _DISORDER_S:
            work.ended_s, work.news_s = None, max(work.news_s, line.at_s)
        elif not is_systemds:
            work.hear(line)

    def working(self, boot: int) -> Iterator[Work]:
        """Give the units that work in `boot`."""
        return (one for one in self._works.values() if one.boot == boot and one.ended_s is None)

    def _name_of(self, speaker: str) -> str:
        """Return a unit's or program's name without its type, empty if it is not one of these."""
        if len(self._names) >= _MOST_NAMES:
            self._names.clear()
        name = _TYPE.sub("", speaker) if self.speaker.fullmatch(speaker) else ""
        self._names[speaker] = name
        return name
