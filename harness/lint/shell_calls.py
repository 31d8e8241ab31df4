"""The programs that a shell script calls, read from its syntax tree; nothing is run.

A call counts wherever it stands, whether or not it is reached. What the script first asks for
(`command -v oc`, `[ -x /usr/bin/oc ]`) it is taken to do without. Names made by expansions, and
here-documents, stay unread. The grammar is tree-sitter-bash's, which takes sh and ksh well enough.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

import tree_sitter_bash
from tree_sitter import Language, Node, Parser

from harness.lint.wrappers import Word, look_through, probed_by_test
from harness.model.command import same_command

_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_FUNCTION = re.compile(r"^\s*(?:function\s+)?([\w.:-]+)\s*\(\)", re.MULTILINE)
_DOCUMENT = re.compile(r"""(?<!<)<<-?[ \t]*\\?(['"]?)([A-Za-z_][\w.-]*)\1""")
_DOT, _SOURCE = ".", "source"
_MAX_DEPTH = 5  # of shells within shells


@dataclass(frozen=True, slots=True, kw_only=True)
class ShellCall:
    """A program's name or path, and the line of the script that calls it, counted from 1."""

    command: str
    line: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ShellScript:
    """What a script calls that it neither defines nor asks for.

    `functions` are those it defines, `sources` whether it reads in other scripts, `unread` the
    lines that are no shell that the grammar knows.
    """

    calls: tuple[ShellCall, ...]
    functions: frozenset[str]
    sources: bool
    unread: tuple[int, ...]
    probed: frozenset[str]


@dataclass(slots=True)
class _Reading:
    """What has been read so far, bodies of inner shells included.

    `plain` are the calls that a function of that name would answer.
    """

    calls: list[ShellCall] = field(default_factory=list)
    plain: set[ShellCall] = field(default_factory=set)
    functions: set[str] = field(default_factory=set)
    probed: set[str] = field(default_factory=set)
    unread: set[int] = field(default_factory=set)
    sources: bool = False

    def is_own(self, call: ShellCall) -> bool:
        """Return whether the script itself answers a call, or does without."""
        is_function = call in self.plain and call.command in self.functions
        return is_function or is_probed(call.command, self.probed)


def read_script(text: str) -> ShellScript:
    """Return what the script `text` calls."""
    reading = _Reading()
    _read(text, 1, reading, _MAX_DEPTH)
    return ShellScript(
        calls=tuple(call for call in reading.calls if not reading.is_own(call)),
        functions=frozenset(reading.functions),
        sources=reading.sources,
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
    parser = Parser(Language(tree_sitter_bash.language()))
    for node in _nodes(parser.parse(_without_documents(text).encode()).root_node):
        line = first_line + node.start_point.row
        match node.type:
            case "ERROR":
                reading.unread.add(line)
            case "function_definition":
                name = node.child_by_field_name("name")
                reading.functions.add(_text(name) if name else "")
            case "unary_expression":
                reading.probed.update(probed_by_test(_operands(node)))
            case "command":
                _note(_words(node), line, reading, depth)


def _note(words: list[Word], line: int, reading: _Reading, depth: int) -> None:
    run = look_through(words)
    calls = [ShellCall(command=command, line=line) for command in run.commands]
    reading.calls += calls
    reading.plain.update(call for call in calls[:1] if call.command == words[0])
    reading.probed.update(run.probed)
    reading.sources = reading.sources or words[:1] in ([_DOT], [_SOURCE])
    for body in run.bodies:
        _read(body, line, reading, depth - 1)


def _without_documents(text: str) -> str:
    """Return `text` with here-documents as blank lines: the grammar trips over some of them."""
    lines = text.split("\n")
    ends = {line.lstrip("\t") for line in lines}
    waited_for: list[str] = []
    for number, line in enumerate(lines):
        if waited_for:
            lines[number] = ""
            if line.lstrip("\t") == waited_for[0]:
                del waited_for[0]
        elif not line.lstrip().startswith("#"):
            # What looks like one in a calculation or a string has no end.
            waited_for = [end for _, end in _DOCUMENT.findall(line) if end in ends]
            lines[number] = _DOCUMENT.sub(" ", line) if waited_for else line
    return "\n".join(lines)


def _nodes(root: Node) -> Iterator[Node]:
    """Yield all nodes in the order of the text; deep ones do not exhaust Python's stack."""
    left = [root]
    while left:
        node = left.pop()
        yield node
        left += reversed(node.named_children)


def _words(command: Node) -> list[Word]:
    words: list[Word] = []
    for child in command.named_children:
        if child.type == "command_name":
            words.append(_static(child.named_children[0]) if child.named_children else None)
        elif words and not child.type.endswith("redirect"):
            words.append(_static(child))
    return words


def _operands(test: Node) -> list[Word]:
    parts = test.named_children
    return [_text(part) if part.type == "test_operator" else _static(part) for part in parts]


def _static(node: Node) -> Word:
    """Return the text of a word as the shell sees it; None where it has to be expanded first."""
    text = _text(node)
    match node.type:
        case "word" | "number":
            return _ESCAPED.sub(r"\1", text.replace("\\\n", ""))
        case "raw_string":
            return text[1:-1]
        case "string" | "string_content" | "concatenation":
            return _joined(node)
    return None


def _joined(node: Node) -> Word:
    if node.type == "string_content":
        return re.sub(r'\\([$`"\\])', r"\1", _text(node).replace("\\\n", ""))
    parts = [_static(child) for child in node.named_children]
    return None if None in parts else "".join(part for part in parts if part is not None)


def _text(node: Node) -> str:
    return (node.text or b"").decode(errors="replace")
