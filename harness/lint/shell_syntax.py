"""Access to the syntax tree of a shell script. The grammar is tree-sitter-bash's.

The grammar takes sh and ksh well enough.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import tree_sitter_bash
from tree_sitter import Language, Node, Parser

from harness.lint.wrappers import Word

_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_DOCUMENT = re.compile(r"""(?<!<)<<-?[ \t]*\\?(['"]?)([A-Za-z_][\w.-]*)\1""")


def tree_of(text: str) -> Node:
    """Return the root of a script's tree, in which here-documents are blank lines."""
    parser = Parser(Language(tree_sitter_bash.language()))
    return parser.parse(_without_documents(text).encode()).root_node


def documents(text: str) -> Iterator[tuple[str, int, str]]:
    """Yield each here-document: the line that begins it, its own first line from 0, its text."""
    lines = text.split("\n")
    place = 0
    while place < len(lines):
        begins = lines[place]
        place += 1
        if begins.lstrip().startswith("#"):
            continue
        for _, end in _DOCUMENT.findall(begins):
            last = next((n for n in range(place, len(lines)) if lines[n].lstrip("\t") == end), None)
            if last is not None:
                yield begins, place, "\n".join(line.lstrip("\t") for line in lines[place:last])
                place = last + 1


def nodes(root: Node) -> Iterator[Node]:
    """Yield all nodes in the order of the text; deep ones do not exhaust Python's stack."""
    left = [root]
    while left:
        node = left.pop()
        yield node
        left += reversed(node.named_children)


def word_nodes(command: Node) -> list[Node]:
    """Return the nodes of a command's words, without assignments before it and redirections."""
    found: list[Node] = []
    for child in command.named_children:
        if child.type == "command_name":
            found.append(child.named_children[0] if child.named_children else child)
        elif found and not child.type.endswith("redirect"):
            found.append(child)
    return found


def operands(test: Node) -> list[Word]:
    """Return the words of a test's expression, its operator included."""
    parts = test.named_children
    return [text_of(part) if part.type == "test_operator" else static(part) for part in parts]


def static(node: Node) -> Word:
    """Return the text of a word as the shell sees it; None where it has to be expanded first."""
    text = text_of(node)
    match node.type:
        case "word" | "number":
            return _ESCAPED.sub(r"\1", text.replace("\\\n", ""))
        case "raw_string":
            return text[1:-1]
        case "string" | "string_content" | "concatenation":
            return _joined(node)
    return None


def text_of(node: Node) -> str:
    """Return a node's text as it stands in the script."""
    return (node.text or b"").decode(errors="replace")


def _joined(node: Node) -> Word:
    if node.type == "string_content":
        return re.sub(r'\\([$`"\\])', r"\1", text_of(node).replace("\\\n", ""))
    parts = [static(child) for child in node.named_children]
    return None if None in parts else "".join(part for part in parts if part is not None)


def _without_documents(text: str) -> str:
    """Return `text` with here-documents as blank lines: the grammar trips over some of them."""
    lines = text.split("\n")
    ends = {line.lstrip("\t") for line in lines}
    awaited: list[str] = []
    for number, line in enumerate(lines):
        if awaited:
            lines[number] = ""
            if line.lstrip("\t") == awaited[0]:
                del awaited[0]
        elif not line.lstrip().startswith("#"):
            # What looks like one in a calculation or a string has no end.
            awaited = [end for _, end in _DOCUMENT.findall(line) if end in ends]
            lines[number] = _DOCUMENT.sub(" ", line) if awaited else line
    return "\n".join(lines)
