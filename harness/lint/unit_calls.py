"""The programs that a systemd unit calls in its Exec lines, drop-ins included. Pure text.

Sources: systemd.service(5), COMMAND LINES and the special prefixes of executables;
systemd.syntax(7) for continued lines; systemd.unit(5) for conditions and the order of drop-ins.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from harness.lint.shell_calls import is_probed, read_script
from harness.lint.wrappers import Run, Word, look_through

_COMMENT = ("#", ";")
_ASSIGNMENT = re.compile(r"(\w+)\s*=\s*(.*)", re.DOTALL)
_EXEC = re.compile(r"Exec(?:Condition|(?:Start|Stop|Reload)(?:Pre|Post)?)")
_ELSEWHERE = ("RootDirectory", "RootImage")
_CONDITIONS = ("ConditionPathExists", "ConditionFileIsExecutable", "ConditionFileNotEmpty")
_PREFIXES = "-@:+!|"
_ESCAPES = {r"\n": "\n", r"\t": "\t", "%%": "%", "$$": "$"}
_ESCAPE = re.compile(r"\\n|\\t|%%|\$\$")


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitText:
    """A unit's file, or one of its drop-ins: what reports call it, and its text."""

    name: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitCall:
    """A program's name or path, with the file and the line, from 1, of the Exec line."""

    command: str
    name: str
    line: int


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitCalls:
    """What a unit calls, and what it asks for before that (`probed`).

    `unread` are the files and lines of Exec lines that cannot be taken apart.
    """

    calls: tuple[UnitCall, ...] = ()
    probed: frozenset[str] = frozenset()
    unread: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Setting:
    key: str
    value: str
    name: str
    line: int


@dataclass(slots=True)
class _Reading:
    calls: list[UnitCall] = field(default_factory=list)
    probed: set[str] = field(default_factory=set)
    unread: list[tuple[str, int]] = field(default_factory=list)


def read_unit(texts: Sequence[UnitText]) -> UnitCalls:
    """Return what a unit calls; `texts` is its file first, then the drop-ins by their names.

    A unit that runs in another root calls nothing here.
    """
    settings = _effective(setting for text in texts for setting in _settings(text))
    if any(setting.key in _ELSEWHERE for setting in settings):
        return UnitCalls()
    reading = _Reading()
    for setting in settings:
        if setting.key in _CONDITIONS:
            # One that wants the path away keeps its exclamation mark, and so names no program.
            reading.probed.add(setting.value.removeprefix("|").strip())
        elif _EXEC.fullmatch(setting.key):
            _read_exec(setting, reading)
    calls = (call for call in reading.calls if not is_probed(call.command, reading.probed))
    return UnitCalls(
        calls=tuple(calls), probed=frozenset(reading.probed), unread=tuple(reading.unread)
    )


def _settings(unit: UnitText) -> Iterator[_Setting]:
    """Yield the settings of a file; one that goes on over lines has the number of its first."""
    begun, first = "", 0
    for number, raw in enumerate(unit.text.splitlines(), start=1):
        line = raw.strip()
        if line.startswith(_COMMENT):
            continue
        first = first if begun else number
        begun += line.removesuffix("\\").rstrip() + " " if line.endswith("\\") else line
        if line.endswith("\\"):
            continue
        if match := _ASSIGNMENT.fullmatch(begun.strip()):
            yield _Setting(key=match[1], value=match[2].strip(), name=unit.name, line=first)
        begun = ""


def _effective(settings: Iterator[_Setting]) -> list[_Setting]:
    """Return the settings that count: an empty one takes back those of its key before it."""
    kept: list[_Setting] = []
    for setting in settings:
        if setting.value:
            kept.append(setting)
        else:
            kept = [earlier for earlier in kept if earlier.key != setting.key]
    return kept


def _read_exec(setting: _Setting, reading: _Reading) -> None:
    try:
        words = _split(setting.value)
    except ValueError:  # a quote without its end
        reading.unread.append((setting.name, setting.line))
        return
    for command in _commands(words):
        _note(look_through(command), setting, reading)


def _note(run: Run, setting: _Setting, reading: _Reading) -> None:
    reading.probed.update(run.probed)
    found = list(run.commands)
    for body in run.bodies:
        script = read_script(body)
        reading.probed.update(script.probed)
        found += (call.command for call in script.calls)
        reading.unread += ((setting.name, setting.line) for _ in script.unread[:1])
    reading.calls += (
        UnitCall(command=command, name=setting.name, line=setting.line) for command in found
    )


def _split(value: str) -> list[str]:
    lexer = shlex.shlex(value, posix=True, punctuation_chars=False)
    lexer.whitespace_split = True
    lexer.commenters = ""
    return list(lexer)


def _commands(words: Sequence[str]) -> Iterator[list[Word]]:
    """Yield the command lines of an Exec line, which a lone semicolon parts."""
    begun: list[str] = []
    for word in [*words, ";"]:
        if word != ";":
            begun.append(word)
        elif begun:
            yield _command(begun)
            begun = []


def _command(words: Sequence[str]) -> list[Word]:
    """Return a command line without prefixes; what systemd puts in for % and $ stays as it is.

    No name of a program has these characters, and to a shell a variable is one either way.
    """
    program = words[0].lstrip(_PREFIXES)
    prefixes = words[0].removesuffix(program)
    arguments = words[2:] if "@" in prefixes else words[1:]  # the first one names the process
    return [_ESCAPE.sub(lambda found: _ESCAPES[found[0]], word) for word in (program, *arguments)]
