"""A machine's phases over time: rows with a bar each, as shares of the time from power-on.

The page's template and stylesheet draw them. Pure: a record in, values out.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby

from harness.model.record import MachineRecord, PhaseRecord, Sighting, State, Weight

_STEPS_S = (1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600)
_MOST_TICKS = 5
"""As many labels as a phone has room for."""
_STAYS_SHARE = 0.05
# A machine has some thirty; a record of somebody else may have any number.
_MOST_PHASES = 1000
_WEIGHTS = (Weight.FATAL, Weight.WARNING, Weight.ALLOWED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A phase and its bar, in percent of the timeline; a running phase ends at `end_s`."""

    phase: PhaseRecord
    end_s: float
    at: float
    width: float

    @property
    def is_open(self) -> bool:
        """Whether it did not end."""
        return self.phase.end_s is None


@dataclass(frozen=True, slots=True, kw_only=True)
class TimelineMark:
    """Sightings at one place of the timeline, with the worst one's weight."""

    at: float
    weight: Weight
    tip: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """The rows of each boot, and what stands above them.

    `ticks` are seconds and their place, `step` is the distance of two; places are percent.
    """

    boots: tuple[tuple[int, tuple[Row, ...]], ...]
    marks: tuple[TimelineMark, ...]
    ticks: tuple[tuple[int, float], ...]
    step: float
    last_s: float

    @property
    def rows(self) -> tuple[Row, ...]:
        """The rows of all boots; those within a phase follow it."""
        return tuple(row for _, rows in self.boots for row in rows)


def of(machine: MachineRecord) -> Timeline:
    """Return the timeline of a machine; one without phases has no rows."""
    last_s = _last_s(machine)
    scale_s = max(last_s, 1.0)
    fitting = (step_s for step_s in _STEPS_S if scale_s / step_s <= _MOST_TICKS)
    step_s = next(fitting, round(scale_s / _MOST_TICKS))
    phases = sorted(machine.phases, key=lambda phase: (phase.boot, phase.begin_s, phase.depth))
    phases = phases[:_MOST_PHASES]
    rows = (_row(phase, _end_s(phase, phases, last_s), scale_s) for phase in phases)
    return Timeline(
        boots=tuple((n, tuple(same)) for n, same in groupby(rows, key=lambda row: row.phase.boot)),
        marks=tuple(_marks(machine.sightings, scale_s)),
        ticks=tuple((s, _percent(s, scale_s)) for s in range(0, int(scale_s) + 1, step_s)),
        step=100 * step_s / scale_s,
        last_s=last_s,
    )


def _last_s(machine: MachineRecord) -> float:
    """Return where the timeline ends: with the last event, or now while a phase is running.

    The phase that a machine which is up stays in gets a little room, however long tests use it.
    """
    moments = [p.begin_s if p.end_s is None else p.end_s for p in machine.phases]
    last_s = max([*moments, *(sighting.at_s for sighting in machine.sightings)], default=0.0)
    if all(phase.end_s is not None for phase in machine.phases):
        return last_s
    if machine.state in (State.UP, State.FINISHED):
        return last_s * (1 + _STAYS_SHARE)
    return max(last_s, machine.elapsed_s)


def _end_s(phase: PhaseRecord, phases: Iterable[PhaseRecord], last_s: float) -> float:
    """Return where a phase ends in the timeline; none lasts into the next boot."""
    if phase.end_s is not None:
        return phase.end_s
    return min((other.begin_s for other in phases if other.boot > phase.boot), default=last_s)


def _row(phase: PhaseRecord, end_s: float, scale_s: float) -> Row:
    end_s = max(end_s, phase.begin_s)
    begin, end = _percent(phase.begin_s, scale_s), _percent(end_s, scale_s)
    return Row(phase=phase, end_s=end_s, at=begin, width=end - begin)


def _percent(at_s: float, scale_s: float) -> float:
    return 100 * min(max(at_s, 0.0), scale_s) / scale_s


def _marks(sightings: Iterable[Sighting], scale_s: float) -> Iterable[TimelineMark]:
    """Mark the sightings; those within one percent would cover each other, and share a mark."""
    ordered = sorted(sightings, key=lambda sighting: sighting.at_s)
    for _, same in groupby(ordered, key=lambda s: round(_percent(s.at_s, scale_s))):
        group = tuple(same)
        worst = min(group, key=lambda sighting: _WEIGHTS.index(sighting.weight))
        tip = "; ".join(f"{s.weight} at {s.at_s:.1f} s: {s.cause}" for s in group)
        yield TimelineMark(at=_percent(worst.at_s, scale_s), weight=worst.weight, tip=tip)
