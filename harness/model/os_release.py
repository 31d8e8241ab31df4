"""Reads os-release files; `verdict` judges the fields."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

_ASSIGNMENT = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)=(.*)")
_DOUBLE_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')
_SINGLE_QUOTED = re.compile(r"'([^']*)'")
_ESCAPE_IN_QUOTES = re.compile(r'\\([\\"$`])')
_ESCAPE = re.compile(r"\\(.)")


def parse(text: str) -> Mapping[str, str]:
    """Return the fields of an os-release file, in their order.

    The last value of a repeated field counts, as in the shell. Lines that are not assignments are
    skipped.

    Source: os-release(5).
    """
    fields = {}
    for line in text.splitlines():
        if assignment := _ASSIGNMENT.fullmatch(line.strip()):
            name, value = assignment.groups()
            fields[name] = _unquote(value.strip())
    return MappingProxyType(fields)


def _unquote(value: str) -> str:
    if double := _DOUBLE_QUOTED.match(value):
        return _ESCAPE_IN_QUOTES.sub(r"\1", double[1])
    if single := _SINGLE_QUOTED.match(value):
        return single[1]
    return _ESCAPE.sub(r"\1", value)
