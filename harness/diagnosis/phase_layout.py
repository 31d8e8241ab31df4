"""Lays out phases from what was seen of them: which began when, and what ended them. Pure.

Streams report one thing at slightly different times, so what was seen is put in order first, and
nothing is made of an order that turns on less than a second.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from harness.diagnosis.phase_table import Edge, Phase
from harness.model.record import PhaseRecord

_DISORDER_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """A mark that was seen; one of the chain counts once the phase `after` of it has begun."""

    phase: Phase
    edge: Edge
    boot: int
    at_s: float
    after: str = ""


def lay_out(phases: tuple[Phase, ...], sights: Iterable[Sight]) -> list[PhaseRecord]:
    """Return the phases that began, boot by boot, those of the chain first.

    A phase of the chain ends where the next one begins; an inner one by its own marks, and at the
    latest with the phase that it is within, or with its boot.
    """
    in_order = sorted(sights, key=lambda sight: sight.at_s)
    records: list[PhaseRecord] = []
    next_boot_s: float | None = None
    for boot in sorted({sight.boot for sight in in_order}, reverse=True):
        of_boot = [sight for sight in in_order if sight.boot == boot]
        begins = _chain_begins(phases, of_boot)
        chain = list(_chain(phases, boot, begins, next_boot_s))[::-1]
        records = [*chain, *_nested(of_boot, chain, next_boot_s), *records]
        next_boot_s = chain[0].begin_s if chain else next_boot_s
    return records


def _chain_begins(phases: tuple[Phase, ...], sights: list[Sight]) -> dict[str, float]:
    """Return when each phase of a boot's chain began; a chain does not go back."""
    order = {phase.name: position for position, phase in enumerate(phases)}
    begins: dict[str, float] = {}
    for sight in sights:
        name = sight.phase.name
        if sight.phase.depth or name in begins or (sight.after and sight.after not in begins):
            continue
        later = [at_s for other, at_s in begins.items() if order[other] > order[name]]
        if all(sight.at_s - at_s < _DISORDER_S for at_s in later):
            begins[name] = sight.at_s
    return begins


def _chain(
    phases: tuple[Phase, ...], boot: int, begins: Mapping[str, float], end_s: float | None
) -> Iterator[PhaseRecord]:
    """Return the chain of a boot, the last phase first; `end_s` is when the next boot began."""
    for phase in reversed([phase for phase in phases if phase.name in begins]):
        begin_s = min(begins[phase.name], begins[phase.name] if end_s is None else end_s)
        yield PhaseRecord(
            name=phase.name, title=phase.title, boot=boot, begin_s=begin_s, end_s=end_s
        )
        end_s = begin_s


def _nested(
    sights: list[Sight], chain: list[PhaseRecord], limit_s: float | None
) -> Iterator[PhaseRecord]:
    outer_ends = {record.name: record.end_s for record in chain}
    by_phase: dict[str, list[Sight]] = {}
    for sight in sights:
        if sight.phase.depth:
            by_phase.setdefault(sight.phase.name, []).append(sight)
    for own in by_phase.values():
        record = _inner(own)
        if record is None:
            continue
        bounds = (record.end_s, outer_ends.get(own[0].phase.within), limit_s)
        ends = [end_s for end_s in bounds if end_s is not None]
        yield replace(record, end_s=max(min(ends), record.begin_s)) if ends else record


def _inner(sights: list[Sight]) -> PhaseRecord | None:
    """Return an inner phase by its own marks: it fails or ends once, unless it begins again."""
    begin_s: float | None = None
    end_s: float | None = None
    is_failed = False
    for sight in sights:
        if sight.edge is Edge.BEGIN:
            is_again = end_s is not None and sight.at_s - end_s > _DISORDER_S
            if is_again and (is_failed or begin_s is None):
                end_s, is_failed = None, False
            begin_s = sight.at_s if begin_s is None else begin_s
        elif end_s is None or (is_failed and sight.edge is Edge.END):
            end_s, is_failed = sight.at_s, sight.edge is Edge.FAIL
    if begin_s is None:
        return None
    phase, boot = sights[0].phase, sights[0].boot
    return PhaseRecord(
        name=phase.name, title=phase.title, boot=boot, depth=1, begin_s=begin_s, end_s=end_s,
        is_failed=is_failed,
    )  # fmt: skip
