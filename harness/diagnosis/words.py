"""The last words of units: what a unit itself wrote before systemd says that it failed.

A unit's lines are in the journal under its name, whatever program wrote them, and on the console
under a program's name alone, or under none at all. Which of them says why is a guess: the last one
that reads like an error, and not the trace of a program that crashed. Rust's programs write a chain
of causes below it. Of a unit whose program never ran, systemd itself says why.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import takewhile

from harness.diagnosis.line import Job, Line, Stream

_MOST_LINES = 12
_MOST_UNITS = 256
# What a console shows just before a unit failed may be that unit's, under any name.
_CONSOLE_S = 5.0
# Streams report the same moment with slightly different times.
_DISORDER_S = 1.0
_CONSEQUENCE_S = 10.0
# The longest pause that systemd makes between a unit's failure and the restart that reports it.
_RESTART_S = 15.0
_NOBODY = ("", "kernel", "systemd", "audit")
_TRACE = re.compile(
    r"\s*(?:goroutine \d+ |created by |(?:main|runtime|panic)[.(]\S*\(|\S+\.go:\d+(?: |$)"
    r"|[\w./*()-]+\((?:0x|\{0x|\.\.\.)|Traceback |File \"|at \S+:\d+)"
)
_ERROR = re.compile(
    r"\b(?:err(?:or)?|fail(?:ed|ure|s)?|fatal|critical|panic|cannot|can't|could ?n[o']t|unable|"
    r"unknown|invalid|denied|refused|rejected|unauthorized|not (?:found|permitted|supported)|"
    r"no such|no \w+(?: \w+)? found|already exists|timed out|timeout|missing|unsupported|"
    r"mismatch|no space|busy|broken|corrupt\w*|conflict\w*|requires?|required|abort\w*)\b",
    re.IGNORECASE,
)
# What Go's log of Kubernetes puts before a message.
_KLOG = re.compile(r"^[IWEF]\d{4} [\d:.]+ +\d+ \S+\] ")
# Why systemd could not run a unit, or ended it. Source: systemd src/core/{service,exec-invoke}.c.
_OF_SYSTEMD = re.compile(
    r"[\w@:.\\-]+\.\w+: (?P<why>(?:Failed (?!with result)|Unable to |Watchdog timeout"
    r"|A process of this unit has been killed|\w[\w-]* operation timed out).*)"
)
# How Rust's anyhow prints the causes of an error, numbered if there are several.
_CHAIN = "Caused by:"
_LINK = re.compile(r"\s*\d+: ")
_NAMED_UNIT = re.compile(r"(?<!\S)[\w@.-]+\.service(?= failed)")
_LOGRUS = re.compile(
    r'time="[^"]*" level=\w+ msg="(?P<text>(?:[^"\\]|\\.)*)"'
    r'(?: error="(?P<error>(?:[^"\\]|\\.)*)")?'
)
_NUMBER = re.compile(r"0x[0-9a-f]+|[0-9a-f]{12,}|\d+", re.IGNORECASE)


@dataclass(slots=True)
class Words:
    """What the units of one machine wrote last, and which units failed when."""

    _of_unit: dict[tuple[int, str], deque[Line]] = field(default_factory=dict)
    _of_systemd: dict[tuple[int, str], Line] = field(default_factory=dict)
    _on_console: deque[Line] = field(default_factory=lambda: deque(maxlen=_MOST_LINES))
    _failed: deque[Line] = field(default_factory=lambda: deque(maxlen=_MOST_LINES))

    def remember(self, line: Line, identifier: str, *, is_systemds: bool) -> None:
        """Keep a line if a unit wrote it, and a unit's name if systemd says that it failed."""
        if line.job in (Job.FAILED, Job.JOB_FAILED) and line.unit:
            self._failed.append(line)
        if is_systemds and line.unit and line.job is Job.NONE and _OF_SYSTEMD.match(line.text):
            self._remember_systemds(line)
        if is_systemds or not line.text:
            return
        if line.stream is Stream.CONSOLE:
            if identifier not in _NOBODY:
                self._on_console.append(line)
        elif line.stream is Stream.EVENTS:
            self._remember_event(line)
        elif line.unit:
            self._keep((line.boot, line.unit), line)

    def last(self, unit: str, failed: Line) -> tuple[Line, ...]:
        """Return what `unit` wrote last before `failed`, the line that says that it failed."""
        own = [
            line
            for line in self._of_unit.get((failed.boot, unit), ())
            if line.at_s <= failed.at_s + _DISORDER_S
        ]
        words = _decisive(own or self._shown(unit, failed), failed)
        said = self._of_systemd.get((failed.boot, unit))
        if said is None or said is failed or said.at_s < failed.at_s - _RESTART_S:
            return words
        return (said, *words[-1:])

    def last_of_stage(self, failed: Line) -> tuple[Line, ...]:
        """Return what the unit wrote last that failed in a stage, by the guest's event of it."""
        if words := self.last(failed.text.partition(" ")[0], failed):
            return words
        named = _NAMED_UNIT.search(failed.text)
        return self.last(named[0], failed) if named else ()

    def culprit(self, dependent: Line) -> str:
        """Return the unit that failed right before `dependent`, which did not start for it."""
        earlier = [
            line
            for line in self._failed
            if line.boot == dependent.boot
            and line.unit != dependent.unit
            and -_CONSEQUENCE_S <= line.at_s - dependent.at_s <= _DISORDER_S
        ]
        return earlier[-1].unit if earlier else ""

    def _remember_systemds(self, line: Line) -> None:
        """Keep why systemd could not run a unit: the first reason of each failure."""
        known = self._of_systemd.get((line.boot, line.unit))
        if known is not None and line.at_s - known.at_s <= _DISORDER_S:
            return
        if len(self._of_systemd) >= _MOST_UNITS:
            del self._of_systemd[next(iter(self._of_systemd))]
        self._of_systemd[line.boot, line.unit] = line

    def _remember_event(self, line: Line) -> None:
        """Keep a `STAGE log` of the guest, its unit's last words, under the stage."""
        about, _, said = line.text.partition(": ")
        stage, _, state = about.partition(" ")
        if state == "log" and said:
            self._keep((line.boot, stage), line)

    def _keep(self, key: tuple[int, str], line: Line) -> None:
        kept = self._of_unit.get(key)
        if kept is None:
            if len(self._of_unit) >= _MOST_UNITS:
                del self._of_unit[next(iter(self._of_unit))]
            kept = self._of_unit[key] = deque(maxlen=_MOST_LINES)
        kept.append(line)

    def _shown(self, unit: str, failed: Line) -> list[Line]:
        """Return what the console showed of `unit`, or else of anybody just before it failed."""
        name = unit.partition(".")[0].partition("@")[0]
        shown = [
            line
            for line in self._on_console
            if line.boot == failed.boot and line.at_s <= failed.at_s + _DISORDER_S
        ]
        own = [line for line in shown if line.identifier.partition(".")[0] == name]
        late = [line for line in shown if line.at_s >= failed.at_s - _CONSOLE_S]
        # Several units may run one program, each named after it.
        akin = [line for line in late if name.startswith(f"{line.identifier}-")]
        return own or akin or [line for line in late if _ERROR.search(line.text)]


def text_of(lines: Iterable[Line]) -> str:
    """Return last words as one phrase."""
    return "; ".join(_said(line).strip().rstrip(".") for line in lines)


def alike(text: str) -> str:
    """Return `text` without its numbers: what a loop says each time."""
    return _NUMBER.sub("#", text)


def _said(line: Line) -> str:
    text = line.text.partition(": ")[2] if line.stream is Stream.EVENTS else line.text
    if systemds := _OF_SYSTEMD.match(text):
        return systemds["why"]
    if logged := _LOGRUS.match(text):
        return ": ".join(one.replace('\\"', '"') for one in logged.groups() if one)
    if link := _LINK.match(text):
        return text[link.end() :]
    return _KLOG.sub("", text)


def _decisive(lines: list[Line], failed: Line) -> tuple[Line, ...]:
    spoken = [line for line in lines if not _TRACE.match(line.text) and line is not failed]
    if chain := _chain(spoken):
        return chain
    errors = [line for line in spoken if _ERROR.search(_said(line))]
    if not errors:
        return tuple(spoken[-1:])
    # An error of a moment may take two lines: what was wrong, and what failed by it.
    before = [
        line
        for line in errors[-2:-1]
        if errors[-1].at_s - line.at_s <= _DISORDER_S
        and alike(_said(line)) != alike(_said(errors[-1]))
    ]
    return (*before, errors[-1])


def _chain(spoken: list[Line]) -> tuple[Line, ...]:
    """Return an error with the last of its causes, if the last words are such a chain."""
    heads = [place for place, line in enumerate(spoken) if _said(line).strip() == _CHAIN]
    if not heads or not 0 < heads[-1] < len(spoken) - 1:
        return ()
    causes = spoken[heads[-1] + 1 :]
    numbered = list(takewhile(lambda line: _LINK.match(line.text), causes))
    return (spoken[heads[-1] - 1], (numbered or causes)[-1 if numbered else 0])
