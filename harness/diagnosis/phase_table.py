"""Reads a table of phases: TOML in, phases with their marks out, every fault told with its place.

The shipped one is `fixtures/diagnosis/phases.toml`. A `[[phase]]` has

    name, title      what it is called in records and to people
    depth            0: one of the chain, in which each ends where the next begins; 1: lies within
    within           of depth 1: the phase of the chain that it cannot outlast
    units            of depth 1: begins when systemd starts one of these, ends when it has
    described        the units' descriptions: all that is left of long names on a console
    stages           of depth 1: stages that the guest tells of (`events`)
    begin, end, fail lists of more marks

and a mark one of

    text             a regular expression that the line begins with; with `streams` (console and
                     journal) and `identifier` (whoever)
    unit, job        systemd's word of a unit
    described, job   the same by a description
    event            `stage state`, as the guest tells

A mark of depth 0 may have `after`, a phase of the chain that must have begun before, and
`next_boot`, for a line that is the last of the boot before.
"""

from __future__ import annotations

import re
import tomllib
from enum import StrEnum
from itertools import product
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from harness.diagnosis.line import Job, Stream
from harness.model.errors import InputError

_PLACE = re.compile(r"phase\[(\d+)\]")
_Name = Annotated[str, msgspec.Meta(pattern="^[a-z][a-z0-9-]*$")]
_Text = Annotated[str, msgspec.Meta(min_length=1)]


class Edge(StrEnum):
    """What a mark says of its phase."""

    BEGIN = "begin"
    END = "end"
    FAIL = "fail"


class Mark(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a line must show; exactly one of `text`, `unit`, `described` and `event` is given."""

    text: str = ""
    streams: tuple[Stream, ...] = (Stream.CONSOLE, Stream.JOURNAL)
    identifier: str = ""
    unit: str = ""
    described: str = ""
    job: Job = Job.NONE
    event: str = ""
    after: str = ""
    next_boot: bool = False


class Phase(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A phase as the table has it; `marks` has all that it comes down to."""

    name: _Name
    title: _Text
    depth: Literal[0, 1]
    within: str = ""
    units: tuple[_Text, ...] = ()
    described: tuple[_Text, ...] = ()
    stages: tuple[_Text, ...] = ()
    begin: tuple[Mark, ...] = ()
    end: tuple[Mark, ...] = ()
    fail: tuple[Mark, ...] = ()

    @property
    def marks(self) -> tuple[tuple[Edge, Mark], ...]:
        """All marks, those of units, descriptions and stages with them."""
        return (
            *product((Edge.BEGIN,), self.begin),
            *product((Edge.END,), self.end),
            *product((Edge.FAIL,), self.fail),
            *((edge, Mark(unit=unit, job=job)) for unit in self.units for edge, job in _JOBS),
            *(
                (edge, Mark(described=described, job=job))
                for described in self.described
                for edge, job in _JOBS
            ),
            *((edge, Mark(event=f"{s} {state}")) for s in self.stages for edge, state in _STATES),
        )


class _Table(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    phase: Annotated[tuple[Phase, ...], msgspec.Meta(min_length=1)]


_JOBS = ((Edge.BEGIN, Job.STARTING), (Edge.END, Job.STARTED), (Edge.FAIL, Job.FAILED))
_STATES = ((Edge.BEGIN, "started"), (Edge.END, "done"), (Edge.FAIL, "failed"))


def read(path: Path) -> tuple[Phase, ...]:
    """Return the phases of a file.

    Raises:
        InputError: it cannot be read, or `parse` refuses it.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        raise InputError(
            f"{path}", f"cannot be read: {exc}", "give a TOML file with phases"
        ) from exc
    return parse(text, f"{path}")


def parse(text: str, subject: str) -> tuple[Phase, ...]:
    """Return the phases of a TOML text; `subject` is what an error calls it.

    Raises:
        InputError: it is no TOML, or says something that makes no sense.
    """
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as exc:
        raise InputError(subject, f"is not TOML: {exc}", "correct the line it names") from exc
    try:
        phases = msgspec.convert(raw, _Table).phase
    except msgspec.ValidationError as exc:
        raise InputError(
            subject, _placed(str(exc), raw), "correct it; harness/diagnosis/phase_table.py says how"
        ) from exc
    chain = [phase.name for phase in phases if phase.depth == 0]
    if not chain:
        raise InputError(subject, "has no chain of phases", "give phases with depth = 0")
    for position, phase in enumerate(phases):
        where = f"{subject}, phase {phase.name}"
        if phase.name in (earlier.name for earlier in phases[:position]):
            raise InputError(where, "is there twice", "remove one of them")
        _check_phase(phase, chain, where)
        for _, mark in phase.marks:
            _check_mark(mark, where)
            _check_chain(mark, phase.depth, chain, where)
    return phases


def _placed(problem: str, raw: dict[str, object]) -> str:
    """Return a problem with the name of the phase that it counts."""
    place, listed = _PLACE.search(problem), raw.get("phase")
    if place is None or not isinstance(listed, list):
        return problem
    entry = listed[int(place[1])]
    name = entry.get("name") if isinstance(entry, dict) else None
    return f"{problem} ({name})" if name else problem


def _check_phase(phase: Phase, chain: list[str], where: str) -> None:
    is_first = phase.name == chain[0]
    edges = {edge for edge, _ in phase.marks}
    if not is_first and Edge.BEGIN not in edges:
        raise InputError(where, "has no mark of its begin", "give begin, units or stages")
    if phase.depth == 0 and (phase.within or edges - {Edge.BEGIN}):
        raise InputError(
            where, "is of the chain, and ends where the next one begins",
            "give it only begin, or depth = 1",
        )  # fmt: skip
    if phase.within and phase.within not in chain:
        known = ", ".join(chain)
        raise InputError(
            where, f"is within {phase.within!r}, which is none of the chain", f"known: {known}"
        )


def _check_mark(mark: Mark, where: str) -> None:
    given = [bool(value) for value in (mark.text, mark.unit, mark.described, mark.event)]
    if sum(given) != 1:
        raise InputError(
            where, "has a mark that says not exactly one thing",
            "give one of text, unit, described, event",
        )  # fmt: skip
    if bool(mark.unit or mark.described) != (mark.job is not Job.NONE):
        known = ", ".join(job for job in Job if job)
        raise InputError(
            where, "has a mark with a unit or a job alone", f"give both; jobs: {known}"
        )
    try:
        re.compile(mark.text)
    except re.error as exc:
        raise InputError(
            where, f"{mark.text!r} is no regular expression: {exc}", "correct it (Python syntax)"
        ) from exc  # fmt: skip


def _check_chain(mark: Mark, depth: int, chain: list[str], where: str) -> None:
    if depth and (mark.after or mark.next_boot):
        raise InputError(
            where, "is not of the chain, but has a mark with after or next_boot", "leave them out"
        )
    if mark.after and mark.after not in chain:
        raise InputError(
            where, f"has a mark after {mark.after!r}, which is none of the chain",
            f"known: {', '.join(chain)}",
        )  # fmt: skip
