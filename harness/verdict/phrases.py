"""How verdicts put values and lists in words."""

from __future__ import annotations

from collections.abc import Iterable


def listing(items: Iterable[str], shown: int = 10) -> str | None:
    """Return the first items on one line each, or None for none."""
    found = list(items)
    more = [f"and {len(found) - shown} more"] if len(found) > shown else []
    return "\n          ".join([*found[:shown], *more]) or None


def said(value: str | None) -> str:
    """Return a value for a message."""
    return "absent" if value is None else repr(value)
