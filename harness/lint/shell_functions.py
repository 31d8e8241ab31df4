"""Functions that run their arguments: in `queue FILE oc get`, the third word is a program.

Or that ask for one: `need() { command -v "$1"; }`.

Known are `"$@"` and `$1` as the name of a command, after `shift`, out of a variable or an array,
behind wrappers such as `timeout`, and handed on to another such function.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping

from tree_sitter import Node

from harness.lint import shell_syntax
from harness.lint.wrappers import Invocation, Word, look_through

_Use = Callable[[Invocation], tuple[Word, ...]]

_ROUNDS = 4  # of functions that hand their arguments on to each other
_ARGUMENT = re.compile(r'"?\$\{?(?:[@*](?::(?P<first>\d+))?|(?P<number>[1-9]))\}?"?')
_VARIABLE = re.compile(r'"?\$\{?(?P<name>[A-Za-z_]\w*)(?:\[[@*]\])?\}?"?')
_PASSED = re.compile(r"\$(\d+)")
# A `shift` in one of these happens sometimes, or often.
_UNCERTAIN = ("while_statement", "for_statement", "c_style_for_statement", "case_item")


def runners(root: Node, known: Mapping[str, int]) -> dict[str, int]:
    """Return the functions that run their arguments, with the number of those before the program.

    `known` are such functions of other scripts.
    """
    return _found(root, known, _run)


def probers(root: Node, known: Mapping[str, int]) -> dict[str, int]:
    """Return the functions that ask whether a program is there, as `runners` does."""
    return _found(root, known, _probed)


def _found(root: Node, known: Mapping[str, int], use: _Use) -> dict[str, int]:
    functions = [node for node in shell_syntax.nodes(root) if node.type == "function_definition"]
    found = dict(known)
    for _ in range(_ROUNDS):
        before = dict(found)
        for function in functions:
            offsets = list(_offsets(function, found, use))
            if offsets:
                found[_name(function)] = min(offsets)
        if found == before:
            break
    return found


def run_by(words: list[Word], functions: Mapping[str, int]) -> list[Word]:
    """Return the command line that a function of `functions` is given to run, or nothing."""
    offset = functions.get(words[0] or "") if words else None
    if offset is None:
        return []
    given = words[offset + 1 :]
    while given and given[0] and re.match(r"-|\d+$", given[0]):  # the function's own options
        del given[0]
    return given


def _name(function: Node) -> str:
    name = function.child_by_field_name("name")
    return shell_syntax.text_of(name) if name else ""


def _offsets(function: Node, functions: Mapping[str, int], use: _Use) -> Iterator[int]:
    """Yield which argument of the function, from 0, stands where `use` has a program's name."""
    shifted, values = 0, dict[str, str]()
    for node in shell_syntax.nodes(function):
        if node.type == "variable_assignment":
            value = shell_syntax.text_of(node).partition("=")[2].strip("() ")
            if argument := _argument(value, shifted):
                values[shell_syntax.text_of(node).partition("=")[0]] = argument
        if node.type != "command":
            continue
        words = [_resolved(word, shifted, values) for word in shell_syntax.word_nodes(node)]
        if words[:1] == ["shift"]:
            shifted += 0 if _is_uncertain(node, function) else _count(words)
        for word in (*use(look_through(words)), *run_by(words, functions)[:1]):
            if word and (match := _PASSED.fullmatch(word)):
                yield int(match[1])


def _run(run: Invocation) -> tuple[Word, ...]:
    return (*run.rest[:1], *run.bodies)


def _probed(run: Invocation) -> tuple[Word, ...]:
    return run.probed


def _resolved(node: Node, shifted: int, values: Mapping[str, str]) -> Word:
    text = shell_syntax.text_of(node)
    if argument := _argument(text, shifted):
        return argument
    if match := _VARIABLE.fullmatch(text):
        return values.get(match["name"])
    return shell_syntax.static(node)


def _argument(text: str, shifted: int) -> str:
    """Return `$N` for an argument of the function, counted from 0 as its caller sees it."""
    match = _ARGUMENT.fullmatch(text)
    return f"${shifted + int(match['first'] or match['number'] or 1) - 1}" if match else ""


def _count(words: list[Word]) -> int:
    if len(words) == 1:
        return 1
    return int(words[1]) if words[1] and words[1].isdigit() else 0


def _is_uncertain(node: Node, function: Node) -> bool:
    at = node.parent
    while at is not None and at != function:
        if at.type in _UNCERTAIN:
            return True
        at = at.parent
    return False
