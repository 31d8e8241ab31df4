"""Reads expectation tables: TOML in, rows out; an error names the file, the row and known names.

The shipped tables are in `fixtures/expectations`; `choice` picks one for an image.

    title = "..."             one line
    extends = "other-table"   a name or path; its rows come first, one with the same id is replaced
    ocp = "4.20"              the OpenShift version that the table is for
    rhel = ["9.6"]            the RHEL versions that it was released on
    [[match]]                 image labels and the regular expressions that their values fit whole;
                              any one [[match]] that fits makes the table a candidate
    [[drop]]                  `kind`, `id` and `source`, the reason: a row of an extended table that
                              does not count
    [[package]] [[os_release]] [[unit]] [[file]] [[invariant]]
                              rows; their fields are those of the row classes in `rows`
    [[contract]] [[known_delta]]
                              what images are judged by without a boot, as in `contract_rows`
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import get_args

import msgspec

from harness import regular_file, tables
from harness.folders import fixture
from harness.model.errors import InputError
from harness.verdict.contract_rows import ContractRow, KnownDelta
from harness.verdict.rows import (
    FileRow,
    InvariantRow,
    OsReleaseRow,
    PackageRow,
    Row,
    Text,
    UnitRow,
    require_pattern,
)
from harness.verdict.scope import Facts, Number, is_within

_TableRow = Row | ContractRow | KnownDelta
_KINDS = [row.test_kind for row in get_args(_TableRow)]


class Drop(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A row of an extended table that does not count here; `source` is the reason."""

    kind: Text
    id: Text
    source: Text


class _File(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A table as TOML has it."""

    title: str = ""
    extends: Text | None = None
    ocp: Number | None = None
    rhel: tuple[Text, ...] = ()
    match: tuple[dict[str, str], ...] = ()
    drop: tuple[Drop, ...] = ()
    package: tuple[PackageRow, ...] = ()
    os_release: tuple[OsReleaseRow, ...] = ()
    unit: tuple[UnitRow, ...] = ()
    file: tuple[FileRow, ...] = ()
    invariant: tuple[InvariantRow, ...] = ()
    contract: tuple[ContractRow, ...] = ()
    known_delta: tuple[KnownDelta, ...] = ()

    def __post_init__(self) -> None:
        for match in self.match:
            for pattern in match.values():
                require_pattern(pattern)

    @property
    def rows(self) -> tuple[_TableRow, ...]:
        of_nodes: tuple[Row, ...] = (
            *self.package, *self.os_release, *self.unit, *self.file, *self.invariant,
        )  # fmt: skip
        return (*of_nodes, *self.contract, *self.known_delta)


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """One file, without what it extends."""

    name: str
    title: str
    extends: str | None
    ocp: str | None = None
    rhel: tuple[str, ...] = ()
    matches: tuple[Mapping[str, str], ...]
    rows: tuple[_TableRow, ...]
    drops: tuple[Drop, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectations:
    """A table with all that it extends, for one image; `reason` says why this table.

    `rows` are about nodes; `contract` is about images, and `known_deltas` is what it permits.
    `ocp` has the OpenShift versions that the image claims, or the one that the table is for.
    """

    name: str
    title: str
    rows: tuple[Row, ...]
    contract: tuple[ContractRow, ...] = ()
    known_deltas: tuple[KnownDelta, ...] = ()
    ocp: tuple[str, ...] = ()
    reason: str = ""

    @property
    def paths_to_observe(self) -> tuple[str, ...]:
        """The paths that a snapshot has to look for, for the file rows to be judged."""
        return tuple(row.path for row in self.rows if isinstance(row, FileRow))


def built_in() -> tuple[str, ...]:
    """Return the names of the tables that are shipped."""
    return tuple(sorted(path.stem for path in fixture("expectations").glob("*.toml")))


def load(name_or_path: str | os.PathLike[str], facts: Facts | None = None) -> Expectations:
    """Return a shipped table by name, or one of the user's by path, with all that it extends.

    Without `facts` of an image, the OpenShift version is that of the table. Rows that do not hold
    for the image by their bounds are left out.

    Raises:
        InputError: there is no such table, something is wrong in it, or it has no rows.
    """
    table = read(name_or_path)
    lineage = _lineage(table)
    rows: dict[tuple[str, str], _TableRow] = {}
    for ancestor in lineage:
        for drop in ancestor.drops:
            _drop(drop, rows, ancestor.name)
        rows.update({(row.test_kind, row.id): row for row in ancestor.rows})
    if not rows:
        raise InputError(f"expectations {table.name}", "no rows", "Add a row, such as [[package]].")
    facts = facts or Facts(ocp=tuple(each.ocp for each in reversed(lineage) if each.ocp)[:1])
    kept = [row for row in rows.values() if is_within(row, facts) is not False]
    return Expectations(
        name=table.name, title=table.title, ocp=facts.ocp,
        rows=tuple(row for row in kept if isinstance(row, Row)),
        contract=tuple(row for row in kept if isinstance(row, ContractRow)),
        known_deltas=tuple(row for row in kept if isinstance(row, KnownDelta)),
    )  # fmt: skip


def read(name_or_path: str | os.PathLike[str]) -> Table:
    """Return a shipped table by name, or one of the user's by path, without what it extends.

    Raises:
        InputError: there is no such table, or something is wrong in it.
    """
    return _read(os.fspath(name_or_path), asked_by=None)


def parse(text: str, name: str) -> Table:
    """Return the table of a TOML text; `name` is what an error calls it.

    Raises:
        InputError: it is no TOML, or a field or row is unknown, missing or of the wrong type.
    """
    file = tables.document(text, name, _File)
    seen: set[tuple[str, str]] = set()
    for row in file.rows:
        if (row.test_kind, row.id) in seen:
            problem = f"two {row.test_kind} rows {row.id}"
            raise InputError(name, problem, "Remove one of the two.")
        seen.add((row.test_kind, row.id))
    return Table(
        name=Path(name).name.removesuffix(".toml"),
        title=file.title or name,
        extends=file.extends,
        ocp=file.ocp,
        rhel=file.rhel,
        matches=file.match,
        rows=file.rows,
        drops=file.drop,
    )


def _drop(drop: Drop, rows: dict[tuple[str, str], _TableRow], name: str) -> None:
    if rows.pop((drop.kind, drop.id), None) is not None:
        return
    known = [row_id for kind, row_id in rows if kind == drop.kind] or _KINDS
    raise InputError(
        f"{name}, [[drop]]", f"{drop.kind} row {drop.id} is not in an extended table",
        f"Correct kind and id; known: {', '.join(known)}.",
    )  # fmt: skip


def _read(name_or_path: str, asked_by: str | None) -> Table:
    if name_or_path in built_in():
        return _shipped(name_or_path)
    if "/" not in name_or_path and not name_or_path.endswith(".toml"):
        raise _unusable(name_or_path, asked_by)
    try:
        text = regular_file.read(Path(name_or_path), regular_file.MAX_TEXT_BYTES).decode()
    except OSError as exc:
        raise _unusable(name_or_path, asked_by, f"cannot be read: {exc.strerror}") from exc
    except ValueError as exc:  # not text, or a zero byte in the path
        raise _unusable(name_or_path, asked_by) from exc
    return parse(text, name_or_path)


def _unusable(name: str, asked_by: str | None, problem: str = "unknown table") -> InputError:
    subject = f"expectations {name}" + (f" (extended by {asked_by})" if asked_by else "")
    remedy = f"Use the path of a TOML file, or one of: {', '.join(built_in())}."
    return InputError(subject, problem, remedy)


@cache
def _shipped(name: str) -> Table:
    """Return a shipped table; each image is compared with all of them."""
    return parse(fixture(f"expectations/{name}.toml").read_text(encoding="utf-8"), name)


def _lineage(table: Table) -> list[Table]:
    """Return the table and its ancestors, the eldest first."""
    line, asked_for = [table], set()
    while (parent := line[0].extends) is not None:
        if parent in asked_for:
            problem = f"extends itself through {parent}"
            raise InputError(line[0].name, problem, "Remove one `extends` of the circle.")
        asked_for.add(parent)
        line.insert(0, _read(parent, asked_by=line[0].name))
    return line
