"""Reads expectation tables: TOML in, rows out, every fault told with file, row and known names.

The shipped tables are in `fixtures/expectations`.

    title = "..."             one line
    extends = "other-table"   a name or path; its rows come first, one with the same id is replaced
    [[match]]                 image labels and the regular expressions that their values fit whole;
                              any one [[match]] that fits makes the table a candidate for `choose`
    [[drop]]                  `kind`, `id` and `source`, the reason: a row of an extended table that
                              does not count
    [[package]] [[os_release]] [[unit]] [[file]] [[invariant]]
                              rows; their fields are those of the row classes in `rows`
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, dataclass, fields
from enum import StrEnum
from pathlib import Path
from typing import TypeVar, get_type_hints

from harness.folders import fixture
from harness.model.errors import InputError
from harness.verdict.rows import (
    FileRow,
    InvariantRow,
    OsReleaseRow,
    PackageRow,
    Row,
    UnitRow,
)

_ROW_CLASSES: Mapping[str, type[Row]] = {
    row.test_kind: row for row in (PackageRow, OsReleaseRow, UnitRow, FileRow, InvariantRow)
}
_TOP_FIELDS = ("title", "extends", "match", "drop", *_ROW_CLASSES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Drop:
    """A row of an extended table that does not count here; `source` is the reason."""

    kind: str
    id: str
    source: str


_Entry = TypeVar("_Entry", bound=Row | Drop)


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """One file, without what it extends."""

    name: str
    title: str
    extends: str | None
    matches: tuple[Mapping[str, str], ...]
    rows: tuple[Row, ...]
    drops: tuple[Drop, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectations:
    """A table with all that it extends."""

    name: str
    title: str
    rows: tuple[Row, ...]

    @property
    def paths_to_observe(self) -> tuple[str, ...]:
        """The paths that a snapshot has to look for, for the file rows to be judged."""
        return tuple(row.path for row in self.rows if isinstance(row, FileRow))


def built_in() -> tuple[str, ...]:
    """Return the names of the tables that are shipped."""
    return tuple(sorted(path.stem for path in fixture("expectations").glob("*.toml")))


def load(name_or_path: str | os.PathLike[str]) -> Expectations:
    """Return a shipped table by name, or one of the user's by path, with all that it extends.

    Raises:
        InputError: there is no such table, something is wrong in it, or it has no rows.
    """
    table = _read(os.fspath(name_or_path), asked_by=None)
    rows: dict[tuple[str, str], Row] = {}
    for ancestor in _lineage(table):
        for drop in ancestor.drops:
            _drop(drop, rows, ancestor.name)
        rows.update({(row.test_kind, row.id): row for row in ancestor.rows})
    if not rows:
        raise InputError(
            f"expectations {table.name}", "has no rows", "add some, such as [[package]]"
        )
    return Expectations(name=table.name, title=table.title, rows=tuple(rows.values()))


def choose(labels: Mapping[str, str]) -> str:
    """Return the name of the shipped table that fits an image best, by its labels.

    Of several the one that asks for the most labels is taken.

    Raises:
        InputError: none fits, or several do equally well.
    """
    scores = {name: _score(_read(name, asked_by=None), labels) for name in built_in()}
    best = max(scores.values(), default=0)
    fitting = [name for name, score in scores.items() if score == best > 0]
    if len(fitting) == 1:
        return fitting[0]
    seen = {key: value for key, value in labels.items() if key in _labels_of_interest()}
    raise InputError(
        "node image",
        f"fits {' and '.join(fitting) or 'no table'} by its labels: {seen or 'none of interest'}",
        f"name the table with --expectations; known: {', '.join(built_in())}",
    )


def parse(text: str, name: str) -> Table:
    """Return the table of a TOML text; `name` is what an error calls it.

    Raises:
        InputError: it is no TOML, or a field or row is unknown, missing or of the wrong type.
    """
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as exc:
        raise InputError(f"{name}", f"is not TOML: {exc}", "correct the line it names") from exc
    _check_names(raw, _TOP_FIELDS, name)
    rows = [row for kind in _ROW_CLASSES for row in _rows(raw, kind, name)]
    seen: set[tuple[str, str]] = set()
    for row in rows:
        if (row.test_kind, row.id) in seen:
            raise InputError(name, f"has two {row.test_kind} rows {row.id}", "remove one of them")
        seen.add((row.test_kind, row.id))
    return Table(
        name=Path(name).name.removesuffix(".toml"),
        title=_text(raw, "title", name) or name,
        extends=_text(raw, "extends", name),
        matches=tuple(_matches(raw, name)),
        rows=tuple(rows),
        drops=tuple(_entries(raw, "drop", Drop, name)),
    )


def _drop(drop: Drop, rows: dict[tuple[str, str], Row], name: str) -> None:
    if rows.pop((drop.kind, drop.id), None) is None:
        known = ", ".join(row_id for kind, row_id in rows if kind == drop.kind)
        raise InputError(
            f"{name}, [[drop]]", f"{drop.kind} row {drop.id} is in no extended table",
            f"correct kind and id; known: {known or ', '.join(_ROW_CLASSES)}",
        )  # fmt: skip


def _read(name_or_path: str, asked_by: str | None) -> Table:
    is_path = "/" in name_or_path or name_or_path.endswith(".toml")
    path = Path(name_or_path) if is_path else fixture(f"expectations/{name_or_path}.toml")
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        cause = exc.strerror if is_path and isinstance(exc, OSError) else None
        raise InputError(
            f"expectations {name_or_path}" + (f" (extended by {asked_by})" if asked_by else ""),
            f"cannot be read: {cause}" if cause else "is no known table",
            f"give a path to a TOML file, or one of: {', '.join(built_in())}",
        ) from exc
    return parse(text, name_or_path)


def _lineage(table: Table) -> list[Table]:
    """Return the table and its ancestors, the eldest first."""
    line, asked_for = [table], set()
    while (parent := line[0].extends) is not None:
        if parent in asked_for:
            raise InputError(line[0].name, f"extends itself by way of {parent}", "break the circle")
        asked_for.add(parent)
        line.insert(0, _read(parent, asked_by=line[0].name))
    return line


def _score(table: Table, labels: Mapping[str, str]) -> int:
    fitting = (
        len(match)
        for match in table.matches
        if all(re.fullmatch(pattern, labels.get(key, "")) for key, pattern in match.items())
    )
    return max(fitting, default=0)


def _labels_of_interest() -> set[str]:
    tables = (_read(name, asked_by=None) for name in built_in())
    return {key for table in tables for match in table.matches for key in match}


def _rows(raw: Mapping[str, object], kind: str, name: str) -> Iterator[Row]:
    row_class = _ROW_CLASSES[kind]
    for number, row in enumerate(_entries(raw, kind, row_class, name), start=1):
        if isinstance(row, OsReleaseRow):
            _check_os_release(row, f"{name}, [[{kind}]] number {number} ({row.key})")
        yield row


def _entries(
    raw: Mapping[str, object], kind: str, entry_class: type[_Entry], name: str
) -> Iterator[_Entry]:
    entries = raw.get(kind, [])
    if not isinstance(entries, list):
        raise InputError(name, f"{kind} is not a list", f"write each row as [[{kind}]]")
    for number, entry in enumerate(entries, start=1):
        where = f"{name}, [[{kind}]] number {number}"
        if not isinstance(entry, dict):
            raise InputError(where, "is not a table", f"write each row as [[{kind}]]")
        yield _entry(entry, entry_class, where)


def _entry(entry: Mapping[str, object], entry_class: type[_Entry], where: str) -> _Entry:
    hints = get_type_hints(entry_class)
    known = {field.name: field for field in fields(entry_class)}
    label = next((entry[key] for key in ("name", "key", "path", "id") if entry.get(key)), None)
    where = f"{where} ({label})" if label else where
    _check_names(entry, tuple(known), where)
    for name, field in known.items():
        if field.default is MISSING and name not in entry:
            raise InputError(where, f"has no {name}", f"give it; known: {', '.join(known)}")
    values = {name: _value(value, hints[name], f"{where}: {name}") for name, value in entry.items()}
    return entry_class(**values)  # type: ignore[arg-type]  # each value was checked against its hint


def _value(value: object, hint: object, where: str) -> object:
    """Return a TOML value as what the row's field holds."""
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        if not isinstance(value, str) or value not in tuple(hint):
            known = ", ".join(hint)
            raise InputError(where, f"is {value!r}, which is unknown", f"use one of: {known}")
        return hint(value)
    wanted = bool if hint is bool else str
    if not isinstance(value, wanted) or value == "":
        kind = "true or false" if wanted is bool else "text"
        raise InputError(where, f"is {value!r}", f"give {kind}")
    return value


def _check_os_release(row: OsReleaseRow, where: str) -> None:
    given = [row.equals is not None, row.matches is not None, row.absent]
    if sum(given) != 1:
        raise InputError(
            where, "has to say one thing of the field", "give one of equals, matches, absent = true"
        )  # fmt: skip
    _check_pattern(row.matches or "", where)


def _check_pattern(pattern: str, where: str) -> None:
    try:
        re.compile(pattern)
    except re.error as exc:
        raise InputError(
            where, f"{pattern!r} is no regular expression: {exc}", "correct it (Python syntax)"
        ) from exc  # fmt: skip


def _matches(raw: Mapping[str, object], name: str) -> Iterator[Mapping[str, str]]:
    entries = raw.get("match", [])
    for entry in entries if isinstance(entries, list) else [entries]:
        if not isinstance(entry, dict) or not all(isinstance(v, str) for v in entry.values()):
            raise InputError(
                name, "has a match that is no table of texts", "write labels below [[match]]"
            )  # fmt: skip
        for label, pattern in entry.items():
            _check_pattern(pattern, f"{name}, match {label}")
        yield entry


def _text(raw: Mapping[str, object], field: str, name: str) -> str | None:
    value = raw.get(field)
    if value is not None and not isinstance(value, str):
        raise InputError(f"{name}: {field}", f"is {value!r}", "give text")
    return value


def _check_names(entry: Mapping[str, object], known: tuple[str, ...], where: str) -> None:
    if unknown := sorted(set(entry) - set(known)):
        raise InputError(
            where, f"has unknown names: {', '.join(unknown)}", f"known: {', '.join(known)}"
        )  # fmt: skip
