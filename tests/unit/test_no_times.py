"""No test fails because its host is slow: no deadline runs meanwhile, and no speed is asserted."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from source_trees import dotted

TESTS = Path(__file__).parents[1]
CLOCKS = ("process_time", "thread_time", "perf_counter")
COMPARES_TIMES = {"test_redaction_linear.py"}
"""Its times are compared with each other, after several tries."""


def begun_at_import(tree: ast.Module) -> Iterator[int]:
    """Yield the lines where a deadline by the host's clock begins when the module is imported."""
    todo: list[ast.AST] = list(tree.body)
    while todo:
        node = todo.pop()
        if isinstance(node, ast.Lambda):
            continue
        if isinstance(node, ast.FunctionDef):
            defaults = (one for one in node.args.kw_defaults if one is not None)
            todo += [*node.decorator_list, *node.args.defaults, *defaults]
            continue
        match node:
            case ast.Call(func=name, args=[_], lineno=line) if dotted(name) == "Deadline.after":
                yield line
        todo += ast.iter_child_nodes(node)


def test_no_deadline_begins_while_tests_are_collected() -> None:
    texts = {path: path.read_text(encoding="utf-8") for path in TESTS.glob("*/*.py")}

    found = [
        f"{path.name}:{line}"
        for path, text in texts.items()
        if "Deadline.after(" in text
        for line in begun_at_import(ast.parse(text))
    ]

    assert len(texts) > 150
    assert found == []


@pytest.mark.parametrize(
    "source",
    [
        "SOON = Deadline.after(60)",
        "class A:\n    soon = Deadline.after(60)",
        "def f(soon=Deadline.after(60)):\n    pass",
        "@parametrize('soon', [Deadline.after(60)])\ndef f(soon):\n    pass",
    ],
)
def test_deadline_that_begins_at_import_is_detected(source: str) -> None:
    assert [*begun_at_import(ast.parse(source))]


@pytest.mark.parametrize(
    "source",
    ["def f():\n    Deadline.after(60)", "SOON = Deadline.after(60, FakeClock())",
     "soon = lambda: Deadline.after(60)"],
)  # fmt: skip
def test_deadline_that_begins_in_a_test_or_by_another_clock_is_not(source: str) -> None:
    assert [*begun_at_import(ast.parse(source))] == []


def test_only_ratios_are_made_of_the_hosts_times() -> None:
    measuring = {
        path.name
        for path in (TESTS / "unit").glob("*.py")
        if path.name != Path(__file__).name
        and any(clock in path.read_text(encoding="utf-8") for clock in CLOCKS)
    }

    assert measuring == COMPARES_TIMES
