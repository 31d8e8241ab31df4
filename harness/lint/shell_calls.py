"""What a shell script calls, read from its syntax tree; nothing is run.

A call counts wherever it stands, whether or not it is reached. What the script first asks for
(`command -v oc`, `[ -x /usr/bin/oc ]`) it is taken to do without. Names made by expansions other
than a variable with known values stay unread, and so do here-documents that no shell reads.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from tree_sitter import Node

from harness.lint import shell_syntax
from harness.lint.shell_functions import probers, run_by, runners
from harness.lint.shell_values import Values, command_lines, values_of
from harness.lint.wrappers import Word, is_shell, look_through, probed_by_test
from harness.model.command import same_command

_FUNCTION = re.compile(r"^\s*(?:function\s+)?([\w.:-]+)\s*\(\)", re.MULTILINE)
_OUTPUT = re.compile(r"[\w{}]*&?>")
_SOURCE = (".", "source")
_MAX_DEPTH = 5  # of shells within shells


@dataclass(frozen=True, slots=True, kw_only=True)
class ShellCall:
    """A program's name or path, and the line of the script that calls it, counted from 1."""

    command: str
    line: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ShellLine:
    """A command line from its program or builtin on, and its line in the script."""

    words: tuple[Word, ...]
    line: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Redirect:
    """A file that a command reads from, or writes to."""

    path: str
    line: int
    is_output: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Library:
    """The functions of the scripts that share a shell, and those that run their arguments."""

    functions: frozenset[str] = frozenset()
    runners: Mapping[str, int] = field(default_factory=dict)
    probers: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ShellScript:
    """What a script calls but neither defines nor tests for.

    `library` is what it defines. `sources` are the scripts that it reads in: a path, a name where
    the folder is expanded, or nothing where all is. `unread` are lines with a syntax error.
    """

    calls: tuple[ShellCall, ...]
    lines: tuple[ShellLine, ...]
    redirects: tuple[Redirect, ...]
    library: Library
    sources: tuple[str, ...]
    unread: tuple[int, ...]
    probed: frozenset[str]


@dataclass(slots=True)
class _Reading:
    """What has been read so far, bodies of inner shells included.

    `plain` are the calls that a function of that name would answer.
    """

    library: Library
    calls: list[ShellCall] = field(default_factory=list)
    lines: list[ShellLine] = field(default_factory=list)
    redirects: list[Redirect] = field(default_factory=list)
    plain: set[ShellCall] = field(default_factory=set)
    functions: set[str] = field(default_factory=set)
    runners: dict[str, int] = field(default_factory=dict)
    probers: dict[str, int] = field(default_factory=dict)
    values: dict[str, Values] = field(default_factory=dict)
    probed: set[str] = field(default_factory=set)
    unread: set[int] = field(default_factory=set)
    sources: list[str] = field(default_factory=list)

    def is_own(self, call: ShellCall) -> bool:
        """Return whether the script itself answers a call, or does without."""
        functions = self.functions | self.library.functions
        is_function = call in self.plain and call.command in functions
        return is_function or is_probed(call.command, self.probed)


_ALONE = Library()


def read_script(text: str, library: Library = _ALONE) -> ShellScript:
    """Return what the script `text` calls; `library` has the functions of scripts around it."""
    reading = _Reading(library=library)
    _read(text, 1, reading, _MAX_DEPTH)
    return ShellScript(
        calls=tuple(call for call in reading.calls if not reading.is_own(call)),
        lines=tuple(reading.lines),
        redirects=tuple(reading.redirects),
        library=Library(
            functions=frozenset(reading.functions), runners=reading.runners, probers=reading.probers
        ),
        sources=tuple(reading.sources),
        unread=tuple(sorted(reading.unread)),
        probed=frozenset(reading.probed),
    )


def is_probed(command: str, probed: frozenset[str] | set[str]) -> bool:
    """Return whether a command is one of those that were asked for."""
    return any(command == asked or same_command(command, asked) for asked in probed)


def _read(text: str, first_line: int, reading: _Reading, depth: int) -> None:
    if not depth:
        return
    # The tree loses functions whose body it cannot read.
    reading.functions.update(_FUNCTION.findall(text))
    root = shell_syntax.tree_of(text)
    reading.runners |= runners(root, {**reading.library.runners, **reading.runners})
    reading.probers |= probers(root, {**reading.library.probers, **reading.probers})
    reading.values |= values_of(root)
    for node in shell_syntax.nodes(root):
        line = first_line + node.start_point.row
        match node.type:
            case "ERROR":
                reading.unread.add(line)
            case "function_definition":
                name = node.child_by_field_name("name")
                reading.functions.add(shell_syntax.text_of(name) if name else "")
            case "unary_expression":
                reading.probed.update(probed_by_test(shell_syntax.operands(node)))
            case "file_redirect":
                _note_redirect(node, line, reading)
            case "command":
                _note_command(node, line, reading, depth)
    for begins, place, document in shell_syntax.documents(text):
        if _is_read_by_a_shell(begins, document):
            _read(document, first_line + place, reading, depth - 1)


def _is_read_by_a_shell(begins: str, document: str) -> bool:
    """Return whether a here-document is the input of a shell, or a script that is written."""
    first = document.partition("\n")[0]
    if first.startswith("#!"):
        return any(is_shell([word]) for word in first.removeprefix("#!").split())
    root = shell_syntax.tree_of(begins.partition("<<")[0])
    commands = [node for node in shell_syntax.nodes(root) if node.type == "command"]
    if not commands:
        return False
    words = [shell_syntax.static(part) for part in shell_syntax.word_nodes(commands[-1])]
    line = (look_through(words).lines or ((),))[-1]
    return is_shell(line) and all((word or "").startswith("-") for word in line[1:])


def _note_redirect(node: Node, line: int, reading: _Reading) -> None:
    target = node.child_by_field_name("destination")
    is_output = bool(_OUTPUT.match(shell_syntax.text_of(node)))
    for words in command_lines([target] if target else [], reading.values):
        reading.redirects += (
            Redirect(path=path, line=line, is_output=is_output)
            for path in words
            if path and path.startswith("/")
        )


def _note_command(node: Node, line: int, reading: _Reading, depth: int) -> None:
    parts = shell_syntax.word_nodes(node)
    if parts and shell_syntax.text_of(parts[0]) in _SOURCE:
        reading.sources += map(_sourced, parts[1:2])
    for words in command_lines(parts, reading.values):
        _note(words, line, reading, depth)
        if inner := run_by(words, reading.runners):
            _note(inner, line, reading, depth)
        asked = run_by(words, reading.probers)[:1]
        reading.probed.update(word for word in asked if word)


def _note(words: list[Word], line: int, reading: _Reading, depth: int) -> None:
    run = look_through(words)
    calls = [ShellCall(command=command, line=line) for command in run.commands]
    lines = run.lines or ((tuple(words),) if words[:1] in ([_SOURCE[0]], ["["]) else ())
    reading.calls += calls
    reading.lines += (ShellLine(words=line_words, line=line) for line_words in lines)
    reading.plain.update(call for call in calls[:1] if call.command == words[0])
    reading.probed.update(run.probed)
    for body in run.bodies:
        _read(body, line, reading, depth - 1)


def _sourced(node: Node) -> str:
    path = shell_syntax.static(node)
    if path is None:
        name = posixpath.basename(shell_syntax.text_of(node).strip("\"'"))
        path = "" if re.search(r"[$`*?)}]", name) else name
    return path
