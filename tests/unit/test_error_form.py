"""Every error that the code raises says where, what is wrong and what to do, in plain English.

The raises are read from the syntax trees. Texts that are put together elsewhere are found by name:
what is called `remedy` is a remedy, and functions called `faults` yield problem and remedy.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import pytest
from source_trees import SOURCE, nodes, trees

from harness.cli import main
from harness.model.errors import InputError, ProductError
from harness.workplace.option_table import OPTIONS

FORMS = {
    "InputError": ("subject", "problem", "remedy"),
    "RigError": ("subject", "problem", "remedy"),
    "_PortTakenError": ("subject", "problem", "remedy"),
    "ProductError": ("subject", "problem"),
    "SuiteError": ("subject", "problem"),
    "DeadlineError": ("subject", "limit", "problem"),
}
WHOLE = {
    ("workplace/workplace.py", "judge"),
    ("workplace/contract.py", "judge"),
    ("watching/watch.py", "stuck"),
    ("watching/watch.py", "failed"),
}
"""Functions whose errors are a finding's text."""
UNREAD = {
    "RUN_FOLDER", "STREAM_FILES", "document.RUN_FOLDER", "exc.remedy", "host.remedy(missing)",
    "remedy",
}  # fmt: skip
"""Remedies that another module gives."""
VERBS = frozenset(
    re.findall(
        r"\w+",
        """Add Begin Check Choose Compare Convert Copy Correct Create Download Flatten Free Install
        Limit Look Make Name Publish Pull Push Put Remove Rename Report Run Serve Set Start Update
        Use Wait Write""",
    )
)
PRIVATE = re.compile(
    r"\b(is no|is none of|none of|told|tells?|telling|insists?|trouble|by now|whoever|lets be|"
    r"brings? forth|way out|wants|holds?|there is not|is there twice|leave (it|them|that|one)|"
    r"gave up|what it comes down to)\b"
)
ELSEWHERE = {"--src-tls-verify", "--history"}
COMMANDS = {
    option
    for command in main.commands.values()
    for parameter in command.params
    for option in parameter.opts
}
HOLE = "\0"
"""Stands for a value in a text."""


@dataclass(frozen=True)
class Said:
    """One text of an error; `role` is subject, problem or remedy."""

    place: str
    role: str
    text: str


class Module:
    """A module's syntax tree, with the texts that its names can have."""

    def __init__(self, name: str, tree: ast.Module) -> None:
        self.name = name
        self.tree = tree
        self.functions = {node.name: node for node in nodes(tree, ast.FunctionDef)}

    def said(self) -> Iterator[Said]:
        """Yield the texts of all errors."""
        for scope in (*self.functions.values(), self.tree):
            for node in _own_nodes(scope):
                yield from self._of_node(node, scope)

    def raised(self) -> Iterator[tuple[str, ast.Call, ast.AST]]:
        for scope in (*self.functions.values(), self.tree):
            for node in _own_nodes(scope):
                if isinstance(node, ast.Call) and _name(node.func) in FORMS:
                    yield f"{self.name}:{node.lineno}", node, scope

    def _of_node(self, node: ast.AST, scope: ast.AST) -> Iterator[Said]:
        place = f"{self.name}:{getattr(node, 'lineno', 0)}"
        if isinstance(node, ast.Call):
            roles = FORMS.get(_name(node.func), ())
            for role, argument in zip(roles, node.args, strict=False):
                for text in self.texts(argument, scope):
                    yield Said(place, role, text)
            for keyword in node.keywords:
                if (keyword.arg or "").startswith("remedy"):
                    for text in self.texts(keyword.value, scope):
                        yield Said(place, "remedy", text)
        elif isinstance(node, ast.Assign) and isinstance(scope, ast.Module):
            if any("REMED" in _name(target) for target in node.targets):
                for text in self.texts(node.value, scope):
                    yield Said(place, "remedy", text)
        elif isinstance(node, ast.Yield) and "faults" in getattr(scope, "name", ""):
            pair = node.value.elts if isinstance(node.value, ast.Tuple) else ()
            for role, part in zip(("problem", "remedy"), pair, strict=True):
                for text in self.texts(part, scope):
                    yield Said(place, role, text)

    def texts(
        self, node: ast.AST, scope: ast.AST, seen: frozenset[str] = frozenset()
    ) -> tuple[str, ...]:
        """Return the texts that an expression can have; none if that is not known here."""
        match node:
            case ast.Constant(value=str(text)):
                return (text,)
            case ast.JoinedStr(values=parts):
                texts: tuple[str, ...] = ("",)
                for part in parts:
                    added = self.texts(part, scope, seen) or (HOLE,)
                    texts = tuple(text + end for text in texts for end in added)
                return texts
            case ast.IfExp(body=one, orelse=other):
                return self.texts(one, scope, seen) + self.texts(other, scope, seen)
            case ast.BoolOp(values=values) | ast.Dict(values=values):
                return tuple(text for value in values for text in self.texts(value, scope, seen))
            case ast.Subscript(value=value):
                return self.texts(value, scope, seen)
            case ast.Name(id=name) if name not in seen:
                return tuple(
                    text
                    for place in (scope, self.tree)
                    for value in _assigned(place, name)
                    for text in self.texts(value, scope, seen | {name})
                )
            case ast.Call(func=ast.Name(id=name)) if name in self.functions and name not in seen:
                function = self.functions[name]
                return tuple(
                    text
                    for inner in _own_nodes(function)
                    if isinstance(inner, ast.Return) and inner.value is not None
                    for text in self.texts(inner.value, function, seen | {name})
                )
        return ()


@cache
def _own_nodes(scope: ast.AST) -> tuple[ast.AST, ...]:
    """Return the nodes of a function or module that are not in a function inside."""
    found: list[ast.AST] = []
    todo = [scope]
    while todo:
        inner = list(ast.iter_child_nodes(todo.pop()))
        found += inner
        todo += [child for child in inner if not isinstance(child, ast.FunctionDef)]
    return tuple(found)


def _name(node: ast.AST) -> str:
    return str(getattr(node, "id", getattr(node, "attr", "")))


def _assigned(scope: ast.AST, name: str) -> Iterator[ast.AST]:
    for node in _own_nodes(scope):
        if isinstance(node, ast.Assign):
            for target in node.targets:
                if _name(target) == name:
                    yield node.value
                elif isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
                    pairs = zip(target.elts, node.value.elts, strict=True)
                    yield from (value for each, value in pairs if _name(each) == name)


def wrong(said: Said) -> list[str]:
    """Return what is wrong with a text."""
    found = []
    if not said.text.strip():
        found.append("is empty")
    if match := PRIVATE.search(said.text):
        found.append(f"has the private word {match[0]!r}")
    is_phrase = not (re.match(r"[A-Z][a-z]", said.text) or said.text.endswith((".", "!", " ")))
    if said.role == "problem" and not is_phrase:
        found.append("is not a phrase without capital and full stop")
    if said.role == "remedy":
        found.extend(_wrong_remedy(said.text))
    return found


def _wrong_remedy(text: str) -> Iterator[str]:
    if text.split(" ")[0].rstrip(".,;") not in VERBS or not text.endswith("."):
        yield "is not a sentence that begins with a verb"
    options = set(re.findall(r"(?<![\w=-])--[a-z][a-z0-9-]+", text))
    for option in options - {f"--{each.name}" for each in OPTIONS} - ELSEWHERE - COMMANDS:
        yield f"names the unknown option {option}"
    for page in re.findall(r"docs/[\w-]+\.md", text):
        if not (SOURCE.parent / page).is_file():
            yield f"names the missing page {page}"


@cache
def modules() -> tuple[Module, ...]:
    return tuple(Module(name, tree) for name, tree in trees().items())


def test_each_text_of_an_error_has_its_form() -> None:
    texts = [said for module in modules() for said in module.said()]

    assert len(texts) > 400
    assert [f"{s.place}: {s.role} {s.text!r} {p}" for s in texts for p in wrong(s)] == []


def test_each_error_has_all_its_parts() -> None:
    lacking = [
        f"{place}: {ast.unparse(call)}"
        for module in modules()
        for place, call, scope in module.raised()
        if len(call.args) < len(FORMS[_name(call.func)])
        and (module.name, getattr(scope, "name", "")) not in WHOLE
    ]

    assert lacking == []


def test_remedies_that_are_not_read_here_are_few() -> None:
    unread = {
        ast.unparse(call.args[2])
        for module in modules()
        for _, call, scope in module.raised()
        if len(call.args) > 2
        and _name(call.func) != "DeadlineError"
        and not module.texts(call.args[2], scope)
    }

    assert unread == UNREAD


def test_usage_errors_are_errors_of_the_harness() -> None:
    """Pytest's and click's own errors only pass on a message of the right form."""
    strange = [
        f"{module.name}:{node.lineno}: {ast.unparse(node)}"
        for module in modules()
        for node in nodes(module.tree, ast.Call)
        if _name(node.func) in {"UsageError", "BadParameter", "ClickException", "_UnusableInput"}
        and not ast.unparse(node.args[0]).startswith("str(")
    ]

    assert strange == []


@pytest.mark.parametrize(
    ("source", "fault"),
    [
        ("raise InputError(a, 'not a disk', 'name another.')", "begins with a verb"),
        ("raise InputError(a, 'not a disk', 'Name another')", "begins with a verb"),
        ("raise InputError(a, 'not a disk', 'Another would do.')", "begins with a verb"),
        ("raise InputError(a, 'Not a disk', 'Use another.')", "without capital"),
        ("raise InputError(a, 'not a disk.', 'Use another.')", "without capital"),
        ("raise InputError(a, f'{b} is no disk', 'Use another.')", "private word 'is no'"),
        ("raise InputError(a, 'bad', 'Use --nonsense.')", "unknown option --nonsense"),
        ("raise InputError(a, 'bad', 'Look at docs/no.md.')", "missing page docs/no.md"),
        ("def f():\n  p, r = 'is told', 'Use it.'\n  raise InputError(a, p, r)", "'told'"),
        ("raise InputError(a, 'bad', g())\ndef g():\n  return 'nothing'", "begins with a verb"),
        ("read(remedy='no')", "begins with a verb"),
        ("_REMEDY = 'no'", "begins with a verb"),
        ("def faults():\n  yield 'bad', 'no'", "begins with a verb"),
        ("raise InputError(a, '', 'Use it.')", "is empty"),
    ],
)
def test_a_wrong_form_is_detected(source: str, fault: str) -> None:
    module = Module("x.py", ast.parse(source))
    faults = [problem for said in module.said() for problem in wrong(said)]

    assert [each for each in faults if fault in each]


def test_a_right_form_is_accepted() -> None:
    source = "raise InputError(a, f'not a disk: {b}', f'Use --bootimage {c}.')"

    assert [wrong(said) for said in Module("x.py", ast.parse(source)).said()] == [[], []]


def test_what_is_too_long_to_read_loses_its_middle() -> None:
    long = f"begin{'x' * 100_000}end"
    error = InputError(long, f"no such image: {long!r}", "Use another.")

    assert len(str(error)) < 3000
    assert str(error).startswith("begin")
    assert error.subject.endswith("end")
    assert "… (99008 characters) …" in error.subject
    assert error.problem.startswith("no such image: 'begin")
    assert str(error).endswith("Use another.")


def test_a_finding_of_many_lines_is_whole() -> None:
    finding = "\n".join(f"line {number}" for number in range(1000))

    assert str(ProductError(finding)) == finding
