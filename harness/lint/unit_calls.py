"""What a systemd unit calls and requires, drop-ins included. Pure text.

Sources: systemd.service(5), COMMAND LINES and the special prefixes of executables;
systemd.syntax(7) for continued lines; systemd.unit(5) for dependencies, conditions and the order
of drop-ins.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from harness.lint import os_questions
from harness.lint.shell_calls import is_probed, read_script
from harness.lint.wants import Kind, Want, Wants, unit_name
from harness.lint.wrappers import Invocation, Word, look_through

_COMMENT = ("#", ";")
_ASSIGNMENT = re.compile(r"(\w+)\s*=\s*(.*)", re.DOTALL)
_EXEC = re.compile(r"Exec(?:Condition|(?:Start|Stop|Reload)(?:Pre|Post)?)")
_ELSEWHERE = ("RootDirectory", "RootImage")
_REQUIRES = ("Requires", "Requisite", "BindsTo")
_RELATIONS = (
    *_REQUIRES, "Wants", "Upholds", "OnFailure", "OnSuccess", "After", "Before", "WantedBy",
    "RequiredBy", "UpheldBy", "Unit", "Service", "Sockets", "Alias", "Also",
)  # fmt: skip
_CONDITIONS = ("ConditionPathExists", "ConditionFileIsExecutable", "ConditionFileNotEmpty")
# A unit does not start without these, unless their value begins with a dash.
_NEEDS_FILE = (
    "AssertPathExists",
    "AssertFileNotEmpty",
    "AssertFileIsExecutable",
    "EnvironmentFile",
)
_NEEDS_FOLDER = ("AssertPathIsDirectory", "AssertDirectoryNotEmpty", "WorkingDirectory")
_BINDS = ("BindPaths", "BindReadOnlyPaths", "Volume")  # the last one in a quadlet
_CREDENTIALS = ("LoadCredential", "LoadCredentialEncrypted")
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
    """What is called or required, with the file and the line, from 1, of the setting."""

    command: str
    name: str
    line: int
    kind: Kind = Kind.PROGRAM


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitCalls:
    """What a unit calls, and what it tests for first (`probed`).

    `made` are the files that it writes, `folders` those of which it makes the folders, `started`
    the units that it starts, `words` all words of its command lines, `relations` its dependencies
    on other units by their setting. `unread` are the files and lines of Exec lines that cannot be
    parsed.
    """

    calls: tuple[UnitCall, ...] = ()
    probed: frozenset[str] = frozenset()
    made: frozenset[str] = frozenset()
    folders: frozenset[str] = frozenset()
    started: frozenset[str] = frozenset()
    words: frozenset[str] = frozenset()
    relations: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    unread: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Setting:
    key: str
    value: str
    name: str
    line: int


@dataclass(slots=True)
class _Reading:
    reads_os_release: bool = False
    calls: list[UnitCall] = field(default_factory=list)
    wants: Wants = field(default_factory=Wants)
    words: set[str] = field(default_factory=set)
    unread: list[tuple[str, int]] = field(default_factory=list)

    def add(self, wants: Sequence[Want], setting: _Setting) -> None:
        """Add what a setting wants under the line of the setting."""
        self.calls += (
            UnitCall(command=want.name, name=setting.name, line=setting.line, kind=want.kind)
            for want in wants
        )


def read_unit(texts: Sequence[UnitText]) -> UnitCalls:
    """Return what a unit calls; `texts` is its file first, then the drop-ins by their names.

    A unit that runs in another root calls nothing here.
    """
    settings = _effective(setting for text in texts for setting in _settings(text))
    relations = {
        key: tuple(unit for setting in settings if setting.key == key for unit in _units(setting))
        for key in _RELATIONS
    }
    if any(setting.key in _ELSEWHERE for setting in settings):
        return UnitCalls(relations=relations)
    reading = _Reading(reads_os_release=any(map(_is_os_release, settings)))
    for setting in settings:
        _read(setting, reading)
    probed = reading.wants.probed
    return UnitCalls(
        calls=tuple(call for call in reading.calls if not is_probed(call.command, probed)),
        probed=frozenset(probed),
        made=frozenset(reading.wants.made),
        folders=frozenset(reading.wants.folders),
        started=frozenset(reading.wants.started),
        words=frozenset(reading.words),
        relations=relations,
        unread=tuple(reading.unread),
    )


def _read(setting: _Setting, reading: _Reading) -> None:
    key, value = setting.key, setting.value
    if key in _CONDITIONS:
        # One that wants the path away keeps its exclamation mark, and so names no program.
        reading.wants.probed.add(value.removeprefix("|").strip())
    elif key in ("ConditionOSRelease", "AssertOSRelease"):
        reading.add(list(os_questions.condition(value, setting.line)), setting)
    elif key in _REQUIRES:
        units = _units(setting)
        reading.add([Want(kind=Kind.UNIT, name=name, line=0) for name in units], setting)
    elif key in (*_NEEDS_FILE, *_NEEDS_FOLDER, *_BINDS, *_CREDENTIALS):
        reading.add([Want(kind=Kind.FILE, name=path, line=0) for path in _paths(setting)], setting)
    elif _EXEC.fullmatch(key):
        _read_exec(setting, reading)


def _paths(setting: _Setting) -> list[str]:
    """Return the paths without which a unit does not start; a folder ends in a slash."""
    key, value = setting.key, setting.value
    if key in _NEEDS_FILE:
        found = [value]
    elif key in _NEEDS_FOLDER:
        found = [f"{value.rstrip('/')}/"]
    elif key in _BINDS:
        found = [word.partition(":")[0] for word in value.split()]
    else:
        found = [value.partition(":")[2]]
    return [path for path in found if path.startswith("/")]


def _units(setting: _Setting) -> list[str]:
    """Return the units that a setting names, templates for instances, none with specifiers."""
    words = setting.value.split()
    return [name for word in words if "." in word and (name := unit_name(word))]


def _is_os_release(setting: _Setting) -> bool:
    return setting.key == "EnvironmentFile" and setting.value.lstrip("-") in os_questions.FILES


def _settings(unit: UnitText) -> Iterator[_Setting]:
    """Yield the settings of a file; one of several lines has the number of its first line."""
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


def _note(run: Invocation, setting: _Setting, reading: _Reading) -> None:
    reading.wants.probed.update(run.probed)
    wants = [Want(kind=Kind.PROGRAM, name=name, line=0) for name in run.commands]
    inner = Wants()
    for line in run.lines:
        reading.words.update(word for word in line if word)
        inner.add_line(line, 0)
        inner.wants += os_questions.searched(line, 0)
    for body in run.bodies:
        script = read_script(body)
        inner.probed.update(script.probed)
        wants += (Want(kind=Kind.PROGRAM, name=call.command, line=0) for call in script.calls)
        inner.add_script(script)
        inner.wants += os_questions.questions(body, is_read=reading.reads_os_release)
        reading.words.update(word for line in script.lines for word in line.words if word)
        reading.unread += ((setting.name, setting.line) for _ in script.unread[:1])
    reading.add([*wants, *inner.wants], setting)
    for seen, more in (
        (reading.wants.probed, inner.probed),
        (reading.wants.made, inner.made),
        (reading.wants.folders, inner.folders),
        (reading.wants.started, inner.started),
    ):
        seen.update(more)


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
