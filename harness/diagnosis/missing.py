"""What was called before live-apply and was not there: hidden dependencies of a guest.

These are commands, and units that somebody asks systemd for.

Known by what whoever called them says: systemd, shells, and programs that run others. A message is
one only if it is the whole line, since logs like to quote. Which package would have brought a
command is for others to say. Source: openshift/enhancements rhcos/split-rhcos-into-layers.md,
"Hidden dependencies".
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable
from dataclasses import dataclass, field

from harness.diagnosis.line import Line, Stream
from harness.diagnosis.phases import Moment
from harness.diagnosis.readers import systemd_words
from harness.model.record import Missing, MissingCommand, MissingUnit

_MAX_FOUND = 200
OVERLAY = "overlay-apply"
"""The phase in which the node image is applied over /usr, by any unit."""
# Before the switch to the real root no command is the node layer's.
_TOO_EARLY = ("firmware", "boot-loader", "kernel", "initramfs", "ignition-", "switch-root")
_STREAMS = (Stream.JOURNAL, Stream.CONSOLE)
# The harness's own units, login sessions, and containers, which have commands of their own.
_NOT_JUDGED = ("node-image-harness-", "session-", "libpod-")

_GONE = "No such file or directory"
_SCRIPT = r"(?P<script>[^\s:]+)"
_SHELL = r"(?P<script>(?:/\S*/)?-?(?:ba|da|a|k|z|)sh)"
_LINE = r"line (?P<number>\d+)"
_COMMAND = r"(?P<command>[\w/][\w./+@-]*)"
_QUOTED = rf"['\u2018]?{_COMMAND}['\u2019]?"  # curly ones in a UTF-8 locale
_UNIT = r"(?:(?P<unit>\S+\.\w+): )?"
_COREUTILS = r"(?P<script>(?:/\S*/)?(?:nohup|stdbuf|timeout))"
_UTIL_LINUX = (
    r"(?P<script>(?:/\S*/)?"
    r"(?:chrt|flock|ionice|nsenter|prlimit|runuser|setpriv|setsid|taskset|unshare))"
)
# Sources: systemd src/core/exec-invoke.c (257) and execute.c (252); util-linux include/c.h;
# sudo plugins/sudoers/sudoers.c; the rest as the bash, dash, coreutils and findutils of Debian 12
# say it. dash's bare `oc: not found` is the answer to `type oc`, a question, and not counted.
_BY_SYSTEMD = tuple(
    re.compile(_UNIT + pattern + rf": {_GONE}")
    for pattern in (
        rf"(?:Failed|Unable) to locate executable {_QUOTED}",
        rf"Failed at step EXEC spawning {_QUOTED}",
        rf"Executable {_QUOTED} missing, skipping",
    )
)
_BY_OTHERS = tuple(
    re.compile(pattern)
    for pattern in (
        rf"{_SCRIPT}: {_LINE}: {_COMMAND}: (?:command )?not found",
        rf"{_SCRIPT}: (?P<number>\d+): {_COMMAND}: not found",
        rf"{_SHELL}: {_COMMAND}: (?:command )?not found",
        rf"{_SCRIPT}: {_LINE}: (?P<command>/\S+): {_GONE}",
        rf"{_SHELL}: (?P<command>/\S+): {_GONE}",
        rf"{_SCRIPT}: (?:{_LINE}: )?\S+: (?P<command>/\S+): bad interpreter: {_GONE}",
        rf"(?P<script>(?:/\S*/)?(?:env|nice)): {_QUOTED}: {_GONE}",
        rf"{_COREUTILS}: failed to run command {_QUOTED}: {_GONE}",
        rf"{_UTIL_LINUX}: failed to execute {_COMMAND}: {_GONE}",
        rf"(?P<script>(?:/\S*/)?xargs): {_COMMAND}: {_GONE}",
        rf"(?P<script>(?:/\S*/)?time): cannot run {_COMMAND}: {_GONE}",
        rf"(?P<script>sudo): {_COMMAND}: command not found",
        rf"Failed to find executable {_COMMAND}: {_GONE}",  # systemd-run
        # Go's os/exec, whose programs put their own words before it, and a logger its quotes.
        rf'(?:.*[\s":])?exec: \\?"{_COMMAND}\\?": executable file not found in \$PATH"?',
        r"(?:.*[\s\":])?fork/exec (?P<command>/[^\s:]+): no such file or directory\"?",
    )
)
# Python says the same of a file that is to be opened; its trace shows which it was.
_BY_PYTHON = re.compile(rf"FileNotFoundError: \[Errno 2\] {_GONE}: {_QUOTED}")
_TRACE_OF_PYTHON = ('File "', "FileNotFoundError")
_SPAWNS = re.compile(r'File "/\S*/subprocess\.py", line \d+')
# A job for a unit that no file defines, as systemctl and systemd report it. Who stops or disables a
# missing unit has what he wants. Sources: systemd (252) src/systemctl/systemctl-start-unit.c and
# systemctl-enable.c, src/core/transaction.c, timer.c, path.c, socket.c and unit.c.
_UNIT_NAME = r"(?P<command>[\w:@\\.-]+\.(?:service|socket|target|timer|mount|path))"
_BY_JOBS = tuple(
    re.compile(pattern)
    for pattern in (
        rf"Failed to (?!stop|kill|clean)[a-z-]+ \S+: Unit {_UNIT_NAME} not found\.?",
        rf"{_UNIT}(?:Failed to|Cannot) [^:]*\bjob\b[^:]*: Unit {_UNIT_NAME} not found\.?",
        rf"Failed to (?:re)?enable unit[:,] [Uu]nit (?:file )?{_UNIT_NAME} does not exist\.?",
    )
)
# A script of bash in the hands of another shell lacks no program.
_OF_BASH = frozenset(
    {
        *("declare", "function", "let", "mapfile", "popd", "pushd", "readarray", "select"),
        *("shopt", "source", "typeset"),
    }
)
# A file that is read from elsewhere is missed in the same words as a program.
_PROGRAM_FOLDERS = frozenset({"bin", "sbin", "libexec"})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Miss:
    """A call that failed. Unit and script are empty if the message does not name them."""

    unit: str
    script: str
    number: str
    command: str
    line: Line
    is_systemds: bool
    is_unit: bool = False

    @property
    def caller(self) -> str:
        who = self.line.identifier
        if self.number:
            where = f"{self.script} line {self.number}"
        elif self.script:
            where = f"{who} by {self.script}" if who else self.script
        else:
            where = "" if self.is_systemds else who
        return ": ".join(part for part in (self.unit, where) if part)

    def record(self) -> Missing:
        line = self.line.quoted()
        if self.is_unit:
            return MissingUnit(caller=self.caller, unit=self.command, package=None, line=line)
        return MissingCommand(caller=self.caller, command=self.command, package=None, line=line)


@dataclass(slots=True)
class Detector:
    """Collects the missing commands and units of one machine, over its reboots.

    `overlaid` says when the node image was over /usr in a boot, None for not yet. One counts once
    for each unit, script and command. The console fills in where there is no journal; what both
    report counts once.
    """

    overlaid: Callable[[int], Moment | None]
    _misses: list[_Miss] = field(init=False, default_factory=list)
    _spawning: str = field(init=False, default="")
    """Who wrote a trace of Python that goes through subprocess last."""

    @property
    def found(self) -> tuple[Missing, ...]:
        """What was found so far. A late line about the overlay may remove some."""
        return tuple(miss.record() for miss in self._misses if self._is_before(miss.line))

    def feed(self, line: Line, phase: str) -> Missing | None:
        """Take a line into account, seen in `phase`; return what it shows, the first time."""
        if phase.startswith(_TOO_EARLY) or line.stream not in _STREAMS:
            return None
        miss = _miss(line)
        if miss is None and line.text.startswith(_TRACE_OF_PYTHON):
            miss = self._miss_of_python(line)
        if miss is None or not self._is_before(line) or not self._is_new(miss):
            return None
        self._misses.append(miss)
        return miss.record()

    def _miss_of_python(self, line: Line) -> _Miss | None:
        who = line.unit or line.identifier
        if _SPAWNS.match(line.text):
            self._spawning = who
        elif self._spawning == who and (match := _BY_PYTHON.fullmatch(line.text)):
            self._spawning = ""
            if _is_program(match["command"], is_systemd=False):
                return _miss_of(match, line, is_systemds=False)
        return None

    def _is_before(self, line: Line) -> bool:
        overlaid = self.overlaid(line.boot)
        if overlaid is None:
            return True
        if line.uptime_s is not None and overlaid.uptime_s is not None:
            return line.uptime_s <= overlaid.uptime_s
        return line.at_s <= overlaid.at_s

    def _is_new(self, miss: _Miss) -> bool:
        same = [
            known
            for known in self._misses
            if (known.script, known.command) == (miss.script, miss.command)
        ]
        if any(known.unit == miss.unit or not miss.unit for known in same):
            return False
        for anonymous in (known for known in same if not known.unit):
            self._misses.remove(anonymous)  # the journal knows more than the console
        return len(self._misses) < _MAX_FOUND


def _miss(line: Line) -> _Miss | None:
    text = line.text
    if line.unit.startswith(_NOT_JUDGED):
        return None
    if not any(words in text for words in (_GONE, "no such file", "not found", "does not exist")):
        return None
    is_systemd = systemd_words.is_systemd(line.identifier)
    for pattern in _BY_SYSTEMD if is_systemd else _BY_OTHERS:
        match = pattern.fullmatch(text)
        if match is not None and _is_program(match["command"], is_systemd=is_systemd):
            return _miss_of(match, line, is_systemds=is_systemd)
    for pattern in _BY_JOBS:
        if (match := pattern.fullmatch(text)) is not None:
            return _miss_of(match, line, is_systemds=is_systemd, is_unit=True)
    return None


def _miss_of(
    match: re.Match[str], line: Line, *, is_systemds: bool, is_unit: bool = False
) -> _Miss:
    groups = match.groupdict()
    return _Miss(
        unit=groups.get("unit") or line.unit, script=groups.get("script") or "",
        number=groups.get("number") or "", command=match["command"], line=line,
        is_systemds=is_systemds, is_unit=is_unit,
    )  # fmt: skip


def _is_program(command: str, *, is_systemd: bool) -> bool:
    folder, name = posixpath.split(command)
    if folder.startswith("/"):
        return is_systemd or bool(_PROGRAM_FOLDERS & {*folder.split("/")})
    return not folder and name not in _OF_BASH
