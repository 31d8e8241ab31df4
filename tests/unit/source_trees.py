"""The syntax trees of the whole harness, for tests that search its source.

A process parses each module once, and only when a test asks for it: pytest's workers collect all
tests, but each runs only a part of them.
"""

from __future__ import annotations

import ast
import gc
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import TypeVar

import harness

SOURCE = Path(harness.__file__).parent

_Node = TypeVar("_Node", bound=ast.AST)


@cache
def trees() -> dict[str, ast.Module]:
    """Return all modules by their path below the package."""
    names = sorted(str(path.relative_to(SOURCE)) for path in SOURCE.rglob("*.py"))
    # Else Python's collector walks the growing trees again and again, for most of the time.
    gc.disable()
    try:
        return {name: ast.parse((SOURCE / name).read_text(encoding="utf-8")) for name in names}
    finally:
        gc.enable()


def nodes(tree: ast.AST, *kinds: type[_Node]) -> Iterator[_Node]:
    """Yield the nodes of these kinds in a tree."""
    return (node for node in _all(tree) if isinstance(node, kinds))


def dotted(node: ast.AST) -> str:
    """Return a name with dots as the source has it, without what is not a name before it."""
    match node:
        case ast.Name(id=name):
            return name
        case ast.Attribute(value=value, attr=name):
            return f"{dotted(value)}.{name}"
    return ""


@cache
def _all(tree: ast.AST) -> tuple[ast.AST, ...]:
    return tuple(ast.walk(tree))
