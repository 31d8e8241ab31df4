"""Reads the JSON of others: images, servers, guests and users may send anything.

Python's own reader ends with other errors than `ValueError` for some input, and gives values that
no file can be written from. Callers turn the one error here into theirs.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from typing import Any

_MAX_DEPTH = 128
"""More than any document here has; recursion over what was read stays far from Python's limit."""


# `Any`: the caller checks the shape, field by field.
def json_value(text: str | bytes) -> Any:  # noqa: ANN401
    """Return the value in JSON text.

    Raises:
        ValueError: it is not JSON (`json.JSONDecodeError`, with the place), is nested too deeply,
            has a number of thousands of digits, or half of a surrogate pair in a string.
    """
    try:
        value = json.loads(text, parse_constant=_refuse, parse_float=_finite)
    except RecursionError as exc:
        raise ValueError("nested too deeply") from exc
    if _is_deep(value):
        raise ValueError(f"nested more than {_MAX_DEPTH} levels deep")
    mark = b"\\ud" if isinstance(text, bytes) else "\\ud"
    if mark in text.lower():  # type: ignore[operator]  # both of the same type
        json.dumps(value, ensure_ascii=False).encode()
    return value


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")


def _finite(number: str) -> float:
    value = float(number)
    if math.isinf(value):
        raise ValueError(f"a number too large: {number[:40]}")
    return value


def _is_deep(value: object) -> bool:
    level = [value]
    for _ in range(_MAX_DEPTH):
        level = [item for each in level for item in _items(each)]
        if not level:
            return False
    return True


def _items(value: object) -> Iterator[object]:
    """Yield the values of a container that may themselves be containers."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return (item for item in inner if isinstance(item, dict | list))
