"""The reviewed rules of what may differ between a legacy node image and a layered one.

`fixtures/equivalence.toml` has the shipped rules, and says what a rule can contain.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import StrEnum
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated

import msgspec

from harness import tables
from harness.contract.comparing.file_diff import FileChange
from harness.folders import fixture

_KEY = "rule"
_Text = Annotated[str, msgspec.Meta(pattern=r"\S")]


class Aspect(StrEnum):
    """What can differ at a path."""

    ADDED = "added"
    REMOVED = "removed"
    TYPE = "type"
    MODE = "mode"
    OWNER = "owner"
    CONTENT = "content"
    TARGET = "target"
    DEVICE = "device"
    XATTR = "xattr"


class Rule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A difference that is allowed at the paths of a shell pattern."""

    path: _Text
    reason: _Text
    source: _Text
    may: tuple[Aspect, ...] = ()
    lines: re.Pattern[str] | None = None

    def __post_init__(self) -> None:
        if bool(self.may) == bool(self.lines):
            raise ValueError("Expected one of `may` and `lines`")

    def covers(self, path: str) -> bool:
        """Return whether the rule is about a path."""
        return fnmatchcase(path, self.path)

    def without_lines(self, content: str) -> list[str]:
        """Return the lines that must be equal."""
        pattern = self.lines
        return [line for line in content.splitlines() if not (pattern and pattern.search(line))]


def load(path: Path | None = None) -> tuple[Rule, ...]:
    """Return the shipped rules, or those of a file.

    Raises:
        InputError: the file cannot be read, or a rule is malformed.
    """
    remedy = "Name a TOML file with --rules."
    found = tables.read(path or fixture("equivalence.toml"), _KEY, remedy=remedy)
    return tuple(rule for _, rule in found.entries(_KEY, Rule))


def aspects_of(change: FileChange) -> frozenset[Aspect]:
    """Return what a change is about."""
    if not change.fields:
        return frozenset({Aspect(change.change)})
    return frozenset(map(_aspect, change.fields))


def fields_of(change: FileChange, aspects: Iterable[Aspect]) -> dict[str, tuple[str, str]]:
    """Return the fields of a change that are of some aspects."""
    wanted = set(aspects)
    return {name: values for name, values in change.fields.items() if _aspect(name) in wanted}


def _aspect(field: str) -> Aspect:
    if field in ("size", "sha256"):
        return Aspect.CONTENT
    return Aspect.XATTR if field.startswith("xattr ") else Aspect(field)
