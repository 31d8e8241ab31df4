"""Compares two snapshots of a node, before and after the node layer, with one row.

`judge` returns None if the row holds, else a finding with what was expected, what was observed, and
the source of the row.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

from msgspec import structs

from harness.model.node_state import NodeState
from harness.model.way import Way
from harness.verdict import invariants, placeholders
from harness.verdict.contract_rows import ContractRow
from harness.verdict.passage import Passage
from harness.verdict.phrases import said
from harness.verdict.rows import (
    FileRow,
    InvariantRow,
    Layer,
    OsReleaseRow,
    PackageRow,
    Row,
    UnitRow,
)
from harness.verdict.scope import Facts, is_within

# Tables cite the design document by line; docs/glossary.md links to it.
_ENHANCEMENT = re.compile(r"\benhancement:\d+")
_ENHANCEMENT_NAMED = r"\g<0> (openshift/enhancements, split-rhcos-into-layers.md)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A row that does not hold for a node or for images, and what was observed instead."""

    row: Row | ContractRow
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
    """Return the finding if a row does not hold, else None.

    A bootimage with the node layer inside must have the node layer before live-apply too.
    """
    before, after = passage.before, passage.after
    sides = _sides(row, passage)
    if not any(side.is_asked for side in sides):
        return None
    asked = _asked(row, passage.way)
    failures = [
        failure
        for section in _sections_of(row)
        for state in (before, after)
        if (failure := state.failure_of(section))
    ]
    if failures:
        observed: str | None = f"unknown, because the snapshot failed: {'; '.join(failures)}"
    elif isinstance(asked, InvariantRow):
        observed = invariants.broken(asked.name, passage)
    else:
        observed = _observe(asked, *sides)
    notes = tuple(dict.fromkeys(f"snapshot: {t}" for t in before.problems + after.problems))
    filled = _filled(asked, passage)
    return None if observed is None else Finding(row=filled, observed=observed, notes=notes)


def _asked(row: Row, way: Way) -> Row:
    if way is not Way.NONE or isinstance(row, InvariantRow):
        return row
    return structs.replace(row, layer=Layer.COREOS)


def _filled(row: Row, passage: Passage) -> Row:
    """Return a row with its placeholders replaced by the claims of the node's image."""
    if not isinstance(row, OsReleaseRow):
        return row
    facts = passage.facts_after
    known = placeholders.values(facts.base, " and ".join(facts.ocp) or None)
    texts = {"equals": row.equals, "matches": row.matches}
    filled = {name: text and placeholders.shown(text, known) for name, text in texts.items()}
    return structs.replace(row, **filled)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Side:
    """The node before or after the node layer; `is_asked` if the bounds of the row include it."""

    state: NodeState
    facts: Facts
    is_asked: bool


def _sides(row: Row, passage: Passage) -> tuple[_Side, _Side]:
    before, after = (
        _Side(state=state, facts=facts, is_asked=is_within(row, facts) is True)
        for state, facts in (
            (passage.before, passage.facts_before), (passage.after, passage.facts_after),
        )
    )  # fmt: skip
    return before, after


def _observe(
    row: PackageRow | OsReleaseRow | UnitRow | FileRow, before: _Side, after: _Side
) -> str | None:
    match row:
        case PackageRow():
            was, now = (_installed(row, side.state) for side in (before, after))
            return _presence(row.layer, row.absent, before, was, after, now)
        case OsReleaseRow():
            return _os_release(row, before, after)
        case UnitRow():
            return _unit(row, before, after)
        case FileRow():
            found = (" ".join(side.state.existing_paths & {row.path}) for side in (before, after))
            was, now = found
            return _presence(row.layer, not row.present, before, was, after, now)


def _sections_of(row: Row) -> tuple[str, ...]:
    """Return the sections of the snapshot that a row needs."""
    if isinstance(row, InvariantRow):
        return invariants.SECTIONS[row.name]
    kinds = {PackageRow: "packages", OsReleaseRow: "os-release", UnitRow: "units", FileRow: "paths"}
    return (kinds[type(row)],)


def _presence(
    layer: Layer, absent: bool, before: _Side, was: str, after: _Side, now: str
) -> str | None:
    """Compare the texts found before and after, empty if nothing was found, with the layer."""
    holds = not after.is_asked or bool(now) is not absent
    if before.is_asked and layer is Layer.COREOS:
        holds = holds and bool(was) is not absent
    elif before.is_asked and layer is Layer.NODE and not absent:
        holds = holds and not was
    return None if holds else f"before: {was or 'absent'}; after: {now or 'absent'}"


def _installed(row: PackageRow, state: NodeState) -> str:
    names = [name for name in state.packages if fnmatchcase(name, row.name)]
    return ", ".join(str(package) for name in names for package in state.packages[name])


def _os_release(row: OsReleaseRow, before: _Side, after: _Side) -> str | None:
    was, now = (side.state.os_release.get(row.key) for side in (before, after))
    holds = not after.is_asked or _value_holds(row, now, after.facts)
    if before.is_asked and row.layer is Layer.COREOS:
        holds = holds and _value_holds(row, was, before.facts)
    elif before.is_asked and row.layer is Layer.NODE and not row.absent:
        holds = holds and was is None
    return None if holds else f"before: {said(was)}; after: {said(now)}"


def _value_holds(row: OsReleaseRow, value: str | None, facts: Facts) -> bool:
    """Return whether a value fits the row for each OpenShift version that the image claims."""
    if row.absent or value is None:
        return row.absent and value is None
    return all(
        re.fullmatch(_pattern(row, placeholders.values(facts.base, ocp)), value) is not None
        for ocp in facts.ocp or (None,)
    )


def _pattern(row: OsReleaseRow, known: Mapping[str, str]) -> str:
    if row.equals is not None:
        return placeholders.literal_pattern(row.equals, known)
    return placeholders.pattern(row.matches or "", known)


def _unit(row: UnitRow, before: _Side, after: _Side) -> str | None:
    was, now = (side.state.units.get(row.name) for side in (before, after))
    if not after.is_asked:
        return None
    if now is None:
        return f"after: {row.name} is not loaded"
    if now.active != row.active or row.sub not in (None, now.sub):
        return f"after: {now}"
    if row.layer is Layer.NODE and row.active == "active" and was and was.active == "active":
        return f"before: {was}"
    return None
