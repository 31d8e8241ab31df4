"""Holds two snapshots of a node, before and after the node layer, to one row; pure.

`judge` gives None where the row holds, and else a finding that tells expected, observed, source.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fnmatch import fnmatchcase

from msgspec import structs

from harness.model.node_state import NodeState
from harness.model.way import Way
from harness.verdict import invariants
from harness.verdict.passage import Passage
from harness.verdict.rows import (
    FileRow,
    InvariantRow,
    Layer,
    OsReleaseRow,
    PackageRow,
    Row,
    UnitRow,
)

# Tables cite the design document by line. README.md links to it.
_ENHANCEMENT = re.compile(r"\benhancement:\d+")
_ENHANCEMENT_NAMED = r"\g<0> (openshift/enhancements, split-rhcos-into-layers.md)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A row that does not hold, as it was held to the node, and what was seen instead."""

    row: Row
    observed: str
    notes: tuple[str, ...] = ()

    @property
    def expected(self) -> str:
        """What the row claims."""
        return self.row.claim

    @property
    def source(self) -> str:
        """Where the claim comes from."""
        return self.row.source

    def render(self) -> str:
        """Return the finding in a few lines."""
        lines = [
            f"expected  {self.expected}",
            f"observed  {self.observed}",
            f"source    {_ENHANCEMENT.sub(_ENHANCEMENT_NAMED, self.source)}",
            *(f"note      {note}" for note in self.notes),
        ]
        return "\n".join(lines)


def judge(row: Row, passage: Passage) -> Finding | None:
    """Return why a row does not hold, or None.

    Where the bootimage has the node layer inside, what it brings must be there from the start.
    """
    before, after = passage.before, passage.after
    held = _held(row, passage.way)
    failures = [
        failure
        for section in _sections_of(row)
        for state in (before, after)
        if (failure := state.failure_of(section))
    ]
    if failures:
        observed: str | None = f"cannot be told, as the snapshot failed: {'; '.join(failures)}"
    elif isinstance(held, InvariantRow):
        observed = invariants.broken(held.name, passage)
    else:
        observed = _observe(held, before, after)
    notes = tuple(dict.fromkeys(f"snapshot: {t}" for t in before.problems + after.problems))
    return None if observed is None else Finding(row=held, observed=observed, notes=notes)


def _held(row: Row, way: Way) -> Row:
    if way is not Way.NONE or isinstance(row, InvariantRow):
        return row
    return structs.replace(row, layer=Layer.COREOS)


def _observe(
    row: PackageRow | OsReleaseRow | UnitRow | FileRow, before: NodeState, after: NodeState
) -> str | None:
    match row:
        case PackageRow():
            return _package(row, before, after)
        case OsReleaseRow():
            return _os_release(row, before, after)
        case UnitRow():
            return _unit(row, before, after)
        case FileRow():
            was, now = (state.existing_paths & {row.path} for state in (before, after))
            return _presence(row.layer, not row.present, " ".join(was), " ".join(now))


def _sections_of(row: Row) -> tuple[str, ...]:
    """Return the sections of the snapshot that a row is judged by."""
    if isinstance(row, InvariantRow):
        return invariants.SECTIONS[row.name]
    kinds = {PackageRow: "packages", OsReleaseRow: "os-release", UnitRow: "units", FileRow: "paths"}
    return (kinds[type(row)],)


def _presence(layer: Layer, absent: bool, was: str, now: str) -> str | None:
    """Compare what there was and is, as words, empty for nothing, with what the layer says."""
    holds = bool(now) is not absent
    if layer is Layer.COREOS:
        holds = holds and bool(was) is not absent
    elif not absent:
        holds = holds and not was
    return None if holds else f"before: {was or 'absent'}; after: {now or 'absent'}"


def _package(row: PackageRow, before: NodeState, after: NodeState) -> str | None:
    return _presence(row.layer, row.absent, _installed(row, before), _installed(row, after))


def _installed(row: PackageRow, state: NodeState) -> str:
    names = [name for name in state.packages if fnmatchcase(name, row.name)]
    return ", ".join(str(package) for name in names for package in state.packages[name])


def _os_release(row: OsReleaseRow, before: NodeState, after: NodeState) -> str | None:
    was, now = (state.os_release.get(row.key) for state in (before, after))
    if row.layer is Layer.COREOS:
        holds = _value_holds(row, was) and _value_holds(row, now)
    else:
        holds = _value_holds(row, now) and (row.absent or was is None)
    return None if holds else f"before: {_quoted(was)}; after: {_quoted(now)}"


def _value_holds(row: OsReleaseRow, value: str | None) -> bool:
    if row.absent or value is None:
        return row.absent and value is None
    if row.equals is not None:
        return value == row.equals
    return re.fullmatch(row.matches or "", value) is not None


def _quoted(value: str | None) -> str:
    return "absent" if value is None else repr(value)


def _unit(row: UnitRow, before: NodeState, after: NodeState) -> str | None:
    was, now = before.units.get(row.name), after.units.get(row.name)
    if now is None:
        return f"after: {row.name} is not loaded"
    if now.active != row.active or row.sub not in (None, now.sub):
        return f"after: {now}"
    if row.layer is Layer.NODE and row.active == "active" and was and was.active == "active":
        return f"before: {was}"
    return None
