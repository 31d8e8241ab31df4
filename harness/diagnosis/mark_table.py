"""Marks with a name: read from `fixtures/diagnosis/marks.toml` and from a project's own files.

    [[mark]]
    name = "image-pull"
    identifier = 'podman|skopeo'     any of the fields of a `mark.Mark`

Another mark says `of = "image-pull"` and adds its own fields. A mark that says too little to be
looked for is there to be built on; the hits of any other are kept by its name.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Annotated, TypeVar

import msgspec

from harness.diagnosis import mark
from harness.diagnosis.mark import Mark
from harness.folders import fixture
from harness.model.errors import InputError
from harness.tables import Tables, read

KEY = "mark"
_FILE = "diagnosis/marks.toml"
_Marked = TypeVar("_Marked", bound=Mark)


class NamedMark(Mark, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A mark as an entry of a table."""

    name: Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")]


@lru_cache(1)
def shipped() -> Mapping[str, Mark]:
    """Return the marks that every table can use, by their names."""
    return marks_of(read(fixture(_FILE), KEY), MappingProxyType({}))


def marks_of(tables: Tables, known: Mapping[str, Mark]) -> Mapping[str, Mark]:
    """Return `known` and the marks of one file by their names; each may build on those before it.

    Raises:
        InputError: an entry is malformed, or has the name of another.
    """
    named = dict(known)
    for where, entry in tables.entries(KEY, NamedMark):
        if entry.name in named:
            raise InputError(where, "the name is used twice", "Rename one of the two.")
        resolved = resolve(entry, named, where)
        if resolved.identifies:
            check(resolved, where)
        named[entry.name] = resolved.plain
    return MappingProxyType(named)


def resolve(entry: _Marked, named: Mapping[str, Mark], where: str) -> _Marked:
    """Return a mark with the fields of the one that it builds on.

    Raises:
        InputError: there is no such mark.
    """
    if not entry.of:
        return entry
    if entry.of not in named:
        known = ", ".join(named) or "none"
        raise InputError(where, f"unknown mark {entry.of} in `of`",
                         f"Use a mark that is defined before it: {known}.")  # fmt: skip
    return mark.built_on(entry, named[entry.of])


def check(entry: Mark, where: str) -> None:
    """Raise unless a mark makes sense.

    Raises:
        InputError: it does not; the error says what to do.
    """
    for problem, remedy in mark.faults(entry):
        raise InputError(where, problem, remedy)
