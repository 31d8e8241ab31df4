"""Reads a table of phases: TOML in, phases with their marks out, each error with its place.

The shipped one is `fixtures/diagnosis/phases.toml`. A `[[phase]]` has

    name, title      what it is called in records and to people
    depth            0: one of the chain, in which each ends where the next begins; 1: lies within
    aside            of depth 1: it runs beside others; no line or failure is attributed to it
    within           of depth 1: the phase of the chain that it cannot outlast
    units            of depth 1: begins when systemd starts one of these, ends when it has
    described        the units' descriptions: all that is left of long names on a console
    stages           of depth 1: stages that the guest reports (`readers.events`)
    begin, end, fail lists of more marks

A mark is a `mark.Mark`. One of depth 0 may have `after`, a phase of the chain that must have begun
before, and `next_boot`, for a line that is the last of the boot before.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from harness import tables
from harness.diagnosis import mark_table
from harness.diagnosis.line import Job
from harness.diagnosis.mark import Mark
from harness.model.errors import InputError
from harness.tables import Tables

_KEY = "phase"
_Name = Annotated[str, msgspec.Meta(pattern="^[a-z][a-z0-9-]*$")]
_Text = Annotated[str, msgspec.Meta(min_length=1)]


class Edge(StrEnum):
    """What a mark says of its phase."""

    BEGIN = "begin"
    END = "end"
    FAIL = "fail"


class PhaseMark(Mark, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A mark of a phase, and when it counts."""

    after: str = ""
    next_boot: bool = False


class Phase(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A phase as the table has it; `marks` has those of its units and stages as well."""

    name: _Name
    title: _Text
    depth: Literal[0, 1]
    aside: bool = False
    within: str = ""
    units: tuple[_Text, ...] = ()
    described: tuple[_Text, ...] = ()
    stages: tuple[_Text, ...] = ()
    begin: tuple[PhaseMark, ...] = ()
    end: tuple[PhaseMark, ...] = ()
    fail: tuple[PhaseMark, ...] = ()

    @property
    def marks(self) -> Iterator[tuple[Edge, PhaseMark]]:
        """All marks, those of units, descriptions and stages with them."""
        for edge, given in self.by_edge.items():
            yield from ((edge, mark) for mark in given)
        for edge, job in _JOBS:
            for unit in self.units:
                yield edge, PhaseMark(unit=re.compile(re.escape(unit)), job=job)
            for described in self.described:
                yield edge, PhaseMark(described=described, job=job)
        for edge, state in _STATES:
            for stage in self.stages:
                yield edge, PhaseMark(event=f"{stage} {state}")

    @property
    def by_edge(self) -> Mapping[Edge, tuple[PhaseMark, ...]]:
        """The marks that are written as such."""
        return {Edge.BEGIN: self.begin, Edge.END: self.end, Edge.FAIL: self.fail}


_JOBS = (
    (Edge.BEGIN, Job.STARTING), (Edge.END, Job.STARTED),
    (Edge.FAIL, Job.FAILED), (Edge.FAIL, Job.JOB_FAILED),
)  # fmt: skip
_STATES = ((Edge.BEGIN, "started"), (Edge.END, "done"), (Edge.FAIL, "failed"))


def read(path: Path) -> tuple[Phase, ...]:
    """Return the phases of a file.

    Raises:
        InputError: it cannot be read, or `parse` refuses it.
    """
    return _phases(tables.read(path, _KEY, remedy="Name a TOML file with phases."))


def parse(text: str, subject: str) -> tuple[Phase, ...]:
    """Return the phases of a TOML text; `subject` is what an error calls it.

    Raises:
        InputError: it is not TOML, or says something that makes no sense.
    """
    return _phases(tables.parse(text, subject, _KEY))


def _phases(listed: Tables) -> tuple[Phase, ...]:
    placed = listed.entries(_KEY, Phase)
    chain = [phase.name for _, phase in placed if phase.depth == 0]
    if not chain:
        raise InputError(listed.subject, "no phase with depth = 0", "Add at least one.")
    phases: dict[str, Phase] = {}
    for where, entry in placed:
        if entry.name in phases:
            raise InputError(where, "the name is used twice", "Remove one of the two.")
        phases[entry.name] = phase = _resolved(entry, where)
        _check_phase(phase, chain, where)
        for _, mark in phase.marks:
            _check_chain(mark, phase.depth, chain, where)
    return tuple(phases.values())


def _resolved(phase: Phase, where: str) -> Phase:
    """Return a phase whose marks have the fields of those that they build on."""
    resolved = {
        edge.value: tuple(_resolved_mark(mark, f"{where}, {edge}") for mark in given)
        for edge, given in phase.by_edge.items()
    }
    return msgspec.structs.replace(phase, **resolved)


def _resolved_mark(entry: PhaseMark, where: str) -> PhaseMark:
    mark = mark_table.resolve(entry, mark_table.shipped(), where)
    mark_table.check(mark, where)
    return mark


def _check_phase(phase: Phase, chain: list[str], where: str) -> None:
    is_first = phase.name == chain[0]
    edges = {edge for edge, _ in phase.marks}
    if not is_first and Edge.BEGIN not in edges:
        raise InputError(where, "no mark for its start", "Add begin, units or stages.")
    if phase.depth == 0 and (phase.within or phase.aside or edges - {Edge.BEGIN}):
        raise InputError(
            where, "a phase with depth = 0 has only begin, as it ends where the next one begins",
            "Remove the other marks and fields, or set depth = 1.",
        )  # fmt: skip
    if phase.within and phase.within not in chain:
        known = ", ".join(chain)
        problem = f"unknown phase {phase.within!r} in within"
        raise InputError(where, problem, f"Use a phase with depth = 0: {known}.")


def _check_chain(mark: PhaseMark, depth: int, chain: list[str], where: str) -> None:
    if depth and (mark.after or mark.next_boot):
        raise InputError(where, "after and next_boot need depth = 0", "Remove after and next_boot.")
    if mark.after and mark.after not in chain:
        raise InputError(
            where, f"unknown phase {mark.after!r} in after",
            f"Use a phase with depth = 0: {', '.join(chain)}.",
        )  # fmt: skip
