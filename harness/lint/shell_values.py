"""Variables of a script that only ever have values written in it: `OC=oc`, `for unit in a b`.

A variable that is also set by an expansion, by `read` or the like has no known value.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from tree_sitter import Node

from harness.lint import shell_syntax
from harness.lint.wrappers import Word

_MOST_VALUES = 16
_NAME = re.compile(r"[A-Za-z_]\w*")
_VARIABLE = re.compile(r'(?P<quote>"?)\$\{?(?P<name>[A-Za-z_]\w*)(?:\[[@*]\])?\}?"?')
_EMBEDDED = re.compile(r"\$\{([A-Za-z_]\w*)\}|\$([A-Za-z_]\w*)")
_DEFAULT = re.compile(r'"?\$\{(?P<name>[A-Za-z_]\w*):?[-=](?P<value>[\w./@:+-]+)\}"?')
_SETTERS = ("getopts", "mapfile", "read", "readarray")


@dataclass(frozen=True, slots=True, kw_only=True)
class Values:
    """The values of one variable; all of them at once for an array, else one at a time."""

    values: tuple[str, ...]
    is_array: bool = False


def values_of(root: Node) -> dict[str, Values]:
    """Return the variables of a script with known values."""
    found: dict[str, list[str]] = {}
    arrays: set[str] = set()
    unknown: set[str] = set()
    copied: list[tuple[str, str]] = []
    for node in shell_syntax.nodes(root):
        for name, value, is_array in _assigned(node):
            if value is None:
                unknown.add(name)
            elif match := _VARIABLE.fullmatch(value):
                copied.append((name, match["name"]))
            elif value:
                found.setdefault(name, []).append(value)
            if is_array:
                arrays.add(name)
    for name, other in copied:
        if other in unknown or other not in found:
            unknown.add(name)
        else:
            found.setdefault(name, []).extend(found[other])
    return {
        name: Values(values=tuple(dict.fromkeys(values))[:_MOST_VALUES], is_array=name in arrays)
        for name, values in found.items()
        if name not in unknown
    }


def command_lines(parts: Sequence[Node], known: Mapping[str, Values]) -> Iterator[list[Word]]:
    """Yield a command's words, once for each value that its variables have one at a time."""
    names = {name for part in parts for name in _names(shell_syntax.text_of(part))}
    counts = [len(known[name].values) for name in names if name in known]
    arrays = [name for name in names if name in known and known[name].is_array]
    for number in range(max(counts, default=1) if not arrays else 1):
        chosen = {name: known[name].values[number % len(known[name].values)]
                  for name in names if name in known}  # fmt: skip
        yield [word for part in parts for word in _words(part, known, chosen)]


def _assigned(node: Node) -> Iterator[tuple[str, Word, bool]]:
    """Yield the variables that a node sets, each with a value, or None for one not known."""
    if node.type == "variable_assignment":
        target, value = node.child_by_field_name("name"), node.child_by_field_name("value")
        name = shell_syntax.text_of(target) if target else ""
        if value is not None and value.type == "array":
            yield from ((name, shell_syntax.static(item), True) for item in value.named_children)
        elif "+=" in shell_syntax.text_of(node).partition("=")[0] + "=":
            yield name, None, False
        else:
            yield name, "" if value is None else _value(name, value), False
    elif node.type == "for_statement":
        variable = node.child_by_field_name("variable")
        name = shell_syntax.text_of(variable) if variable else ""
        items = node.children_by_field_name("value")
        yield from ((name, _copied(item), False) for item in items)
        if not items:
            yield name, None, False
    elif node.type == "command":
        words = [shell_syntax.text_of(part) for part in shell_syntax.word_nodes(node)]
        if words and words[0] in _SETTERS:
            yield from ((word, None, False) for word in words[1:] if _NAME.fullmatch(word))


def _value(name: str, node: Node) -> Word:
    default = _DEFAULT.fullmatch(shell_syntax.text_of(node))
    if default and default["name"] == name:
        return default["value"]
    return _copied(node)


def _copied(node: Node) -> Word:
    """Return the static text of a word, or the variable that it is, with its `$`."""
    text = shell_syntax.text_of(node)
    return text if _VARIABLE.fullmatch(text) else shell_syntax.static(node)


def _names(text: str) -> Iterator[str]:
    if match := _VARIABLE.fullmatch(text):
        yield match["name"]
    yield from (braced or plain for braced, plain in _EMBEDDED.findall(text))


def _words(node: Node, known: Mapping[str, Values], chosen: Mapping[str, str]) -> list[Word]:
    text = shell_syntax.text_of(node)
    match = _VARIABLE.fullmatch(text)
    if match and match["name"] in chosen:
        if known[match["name"]].is_array and "[" in text:
            return list(known[match["name"]].values)
        value = chosen[match["name"]]
        return [value] if match["quote"] else list(value.split())
    if default := _DEFAULT.fullmatch(text):
        return [chosen.get(default["name"], default["value"])]
    word = shell_syntax.static(node)
    if word is None and node.type in ("string", "concatenation", "word"):
        filled = _EMBEDDED.sub(lambda found: chosen.get(found[1] or found[2], found[0]), text)
        return [None if re.search(r"[$`]", filled) else filled.replace('"', "")]
    return [word]
