"""A picture of a machine's phases over time: SVG to stand in a page, coloured by its stylesheet.

The chain of phases is one row of blocks; those that lie within them are bars in lanes below;
sightings are marks above. What is too narrow for its title shows its number, by which a table tells
the rest. Pure: a record in, text out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from harness.model.record import MachineRecord, PhaseRecord, Sighting, State, Weight
from harness.report import drawing
from harness.report.drawing import Label, Scale

_PAD_PX = 5.0
_GAP_PX = 6.0
_MARKS_PX = 18.0
_CHAIN_PX = 36.0
_LANE_PX = 20.0
_BAR_PX = 16.0
_AXIS_PX = 20.0
_MARK_PX = 5
_SAME_MARK_PX = 7.0
_STAYS_SHARE = 0.05
_LANES_TOP = _MARKS_PX + _CHAIN_PX + _GAP_PX
_WEIGHTS = (Weight.FATAL, Weight.WARNING, Weight.ALLOWED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A phase with its number in picture and table; one that lasts goes to the picture's end."""

    number: int
    phase: PhaseRecord
    end_s: float

    @property
    def is_open(self) -> bool:
        """Whether it did not end."""
        return self.phase.end_s is None

    @property
    def took(self) -> str:
        """How long it took, or since when it lasts."""
        if self.is_open:
            return f"since {self.phase.begin_s:.1f} s"
        return f"{self.end_s - self.phase.begin_s:.1f} s"

    @property
    def title(self) -> str:
        """Its title; a failed one is marked, since a colour alone does not tell everybody."""
        return f"{chr(0x2715)} {self.phase.title}" if self.phase.is_failed else self.phase.title


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """One `svg` element, empty without phases, and the phases that bear only their number in it."""

    svg: str = ""
    numbered: tuple[Row, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shape:
    """A phase as it is drawn; `lane` counts the lanes of nested phases."""

    row: Row
    begin: float
    end: float
    label: Label
    lane: int = 0

    @property
    def has_title(self) -> bool:
        return self.label.text == self.row.title


def rows(machine: MachineRecord) -> tuple[Row, ...]:
    """Return the phases in the order of time, numbered from 1; those within follow the outer."""
    ordered = sorted(machine.phases, key=lambda phase: (phase.begin_s, phase.depth))
    return tuple(
        Row(number=number, phase=phase, end_s=max(_end_s(phase, machine), phase.begin_s))
        for number, phase in enumerate(ordered, start=1)
    )


def draw(machine: MachineRecord, width_px: int) -> Picture:
    """Return the picture, drawn for `width_px`.

    It scales to any width; a narrower drawing is for narrow screens, where text must stay readable.
    """
    every = rows(machine)
    if not every:
        return Picture()
    scale = Scale(width_px=width_px, end_s=max(_last_s(machine), 1.0))
    chain = tuple(_block(row, scale) for row in every if row.phase.depth == 0)
    nested = tuple(_in_lanes([row for row in every if row.phase.depth > 0], scale))
    lanes = max((shape.lane + 1 for shape in nested), default=0)
    floor = _LANES_TOP + lanes * _LANE_PX
    svg = drawing.picture(
        width_px, floor + _AXIS_PX, _told(machine, every),
        *_axis(scale, floor), *_boots(chain, floor), *map(_draw_block, chain),
        *map(_draw_bar, nested), *_marks(machine.sightings, scale, floor),
    )  # fmt: skip
    nameless = [shape.row for shape in (*chain, *nested) if not shape.has_title]
    return Picture(svg=svg, numbered=tuple(sorted(nameless, key=lambda row: row.number)))


def _last_s(machine: MachineRecord) -> float:
    """Return where the picture ends: with the last that happened, or now while a phase goes on.

    The phase that a machine which is up stays in gets a little room, however long tests use it.
    """
    moments = [p.begin_s if p.end_s is None else p.end_s for p in machine.phases]
    last_s = max([*moments, *(sighting.at_s for sighting in machine.sightings)], default=0.0)
    if all(phase.end_s is not None for phase in machine.phases):
        return last_s
    if machine.state in (State.UP, State.FINISHED):
        return last_s * (1 + _STAYS_SHARE)
    return max(last_s, machine.elapsed_s)


def _end_s(phase: PhaseRecord, machine: MachineRecord) -> float:
    """Return where a phase ends in the picture; none lasts into the next boot."""
    later_s = (other.begin_s for other in machine.phases if other.boot > phase.boot)
    return min(later_s, default=_last_s(machine)) if phase.end_s is None else phase.end_s


def _told(machine: MachineRecord, every: Sequence[Row]) -> str:
    told = f"Timeline of {machine.name}: {len(every)} phases in {_last_s(machine):.1f} s"
    failed = [row.phase.title for row in every if row.phase.is_failed]
    return f"{told}, failed: {', '.join(failed)}" if failed else told


def _axis(scale: Scale, floor: float) -> Iterator[str]:
    yield f'<line class="axis" x1="0" x2="{scale.width_px}" y1="{floor:.0f}" y2="{floor:.0f}"/>'
    for at_s in scale.ticks_s():
        x = scale.x(at_s)
        yield drawing.upright("grid", x, _MARKS_PX, floor + 4)
        label = Label(text=f"{at_s} s", x=x, anchor="middle")
        yield label.within(scale.width_px).draw(floor + 16, "tick")


def _block(row: Row, scale: Scale) -> _Shape:
    begin, end = scale.x(row.phase.begin_s), scale.x(row.end_s)
    label = Label(text=row.title, x=begin + _PAD_PX)
    if max(label.right, begin + _PAD_PX + drawing.width(row.took)) + _PAD_PX > end:
        label = _number(row, begin, end)
    return _Shape(row=row, begin=begin, end=end, label=label)


def _draw_block(shape: _Shape) -> str:
    middle = _MARKS_PX + _CHAIN_PX / 2
    texts: tuple[str, ...] = ()
    if shape.has_title:
        took = Label(text=shape.row.took, x=shape.label.x)
        texts = (shape.label.draw(middle - 3, "label"), took.draw(middle + 11, "took"))
    elif shape.begin <= shape.label.left and shape.label.right <= shape.end:
        texts = (shape.label.draw(middle + 4, "label"),)
    box = drawing.box(shape.begin, shape.end, _MARKS_PX, _CHAIN_PX)
    return drawing.group(_kind("chain", shape.row), _tip(shape.row), box, *texts)


def _in_lanes(nested: Iterable[Row], scale: Scale) -> Iterator[_Shape]:
    """Put each bar, with its label, into the first lane that is free there."""
    free_from: list[float] = []
    for row in nested:
        begin, end = scale.x(row.phase.begin_s), scale.x(row.end_s)
        label = _beside(row, begin, end, scale.width_px)
        left, right = min(begin, label.left), max(end, label.right)
        lane = next((n for n, free in enumerate(free_from) if free <= left), len(free_from))
        free_from[lane : lane + 1] = [right + _GAP_PX]
        yield _Shape(row=row, begin=begin, end=end, label=label, lane=lane)


def _beside(row: Row, begin: float, end: float, width_px: float) -> Label:
    """Return a bar's label: inside, right of it, left of it, across its end, or a number."""
    inside = Label(text=row.title, x=begin + _PAD_PX)
    if inside.right + _PAD_PX <= end:
        return inside
    after = Label(text=row.title, x=end + _PAD_PX)
    if after.right <= width_px:
        return after
    before = Label(text=row.title, x=begin - _PAD_PX, anchor="end")
    if before.left >= 0:
        return before
    return inside if inside.right <= width_px else _number(row, begin, end)


def _number(row: Row, begin: float, end: float) -> Label:
    return Label(text=str(row.number), x=(begin + end) / 2, anchor="middle")


def _draw_bar(shape: _Shape) -> str:
    top = _LANES_TOP + shape.lane * _LANE_PX
    box = drawing.box(shape.begin, shape.end, top, _BAR_PX)
    is_outside = shape.end <= shape.label.left or shape.label.right <= shape.begin
    text = shape.label.draw(top + 12, "label out" if is_outside else "label")
    return drawing.group(_kind("nested", shape.row), _tip(shape.row), box, text)


def _boots(chain: Iterable[_Shape], floor: float) -> Iterator[str]:
    """Part the boots of a machine that had more than one."""
    begins = {boot: next(same) for boot, same in groupby(chain, key=lambda s: s.row.phase.boot)}
    for boot, first in begins.items() if len(begins) > 1 else ():
        yield drawing.upright("boot", first.begin, 0, floor)
        yield Label(text=f"boot {boot}", x=first.begin + 3).draw(10, "tick")


def _marks(sightings: Iterable[Sighting], scale: Scale, floor: float) -> Iterator[str]:
    """Mark the sightings; those that would cover each other share a mark of the worst's colour."""
    groups: list[list[Sighting]] = []
    for sighting in sorted(sightings, key=lambda sighting: sighting.at_s):
        if groups and scale.x(sighting.at_s) - scale.x(groups[-1][0].at_s) < _SAME_MARK_PX:
            groups[-1].append(sighting)
        else:
            groups.append([sighting])
    for group in groups:
        yield _mark(group, scale, floor)


def _mark(group: Sequence[Sighting], scale: Scale, floor: float) -> str:
    worst = min(group, key=lambda sighting: _WEIGHTS.index(sighting.weight))
    x = scale.x(worst.at_s)
    middle = min(max(x, _MARK_PX), scale.width_px - _MARK_PX)
    arrow = f'<path d="M{middle - _MARK_PX:.1f} 3h{2 * _MARK_PX}l-{_MARK_PX} 9z"/>'
    foot = floor if worst.weight is Weight.FATAL else _MARKS_PX
    tip = "; ".join(f"{s.weight} at {s.at_s:.1f} s: {s.cause}" for s in group)
    return drawing.group(f"mark {worst.weight}", tip, drawing.upright("stem", x, 6, foot), arrow)


def _tip(row: Row) -> str:
    told = f"{row.number}. {row.title}"
    if row.is_open:
        return f"{told}: {row.took}"
    return f"{told}: {row.phase.begin_s:.1f} s to {row.end_s:.1f} s, {row.took}"


def _kind(kind: str, row: Row) -> str:
    states = {"failed": row.phase.is_failed, "open": row.is_open}
    return " ".join([kind, *(name for name, holds in states.items() if holds)])
