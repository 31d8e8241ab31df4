"""Compares two runs: which tests changed their outcome, and what else changed.

Pure: two records in, one value out; `plain.py` makes the text.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from operator import attrgetter

from harness.model.record import (
    Blame,
    LayerRecord,
    MachineRecord,
    Missing,
    MissingCommand,
    MissingUnit,
    Outcome,
    PhaseRecord,
    RunRecord,
    Sighting,
    State,
    TestRecord,
)
from harness.report.differences import (
    FieldChange,
    PackageChanges,
    field_changes,
    package_changes,
)

PhaseKey = tuple[str, int, str]
"""Machine, boot, and name of a phase."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """Which run it is, and what it tested."""

    id: str
    started: str
    state: State
    subject: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class TestChange:
    """A test on both sides; None where it was not run. `message` is that of the new side."""

    __test__ = False  # pytest: this is no test class

    id: str
    old: Outcome | None
    new: Outcome | None
    blame: Blame | None = None
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TestChanges:
    """The tests, each in at most one group. One that is new and red counts as turned red."""

    __test__ = False

    turned_red: tuple[TestChange, ...] = ()
    still_red: tuple[TestChange, ...] = ()
    turned_green: tuple[TestChange, ...] = ()
    new: tuple[TestChange, ...] = ()
    gone: tuple[TestChange, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerChanges:
    """How a layer differs; None for a layer of which a side has no snapshot."""

    packages: PackageChanges
    os_release: tuple[FieldChange, ...]


class Ending(StrEnum):
    """How a phase ended on a side."""

    ENDED = "ended"
    FAILED = "failed"
    LASTS = "lasts"
    NOT_REACHED = "not reached"


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseTimes:
    """The seconds of a phase; None on a side where it did not end well; `*_end` says how it ended.

    `ratio` is new to old, None where one of them is missing or the old one is 0.
    """

    machine: str
    boot: int
    name: str
    title: str
    depth: int
    old_s: float | None
    new_s: float | None
    ratio: float | None
    old_end: Ending = Ending.ENDED
    new_end: Ending = Ending.ENDED


@dataclass(frozen=True, slots=True, kw_only=True)
class NewSighting:
    """A sighting of the new side that its machine had not on the old one."""

    machine: str
    sighting: Sighting


@dataclass(frozen=True, slots=True, kw_only=True)
class NewMissing:
    """A command or a unit that was missed on the new side alone."""

    machine: str
    missing: Missing


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """All that differs between two runs. `node` is the live-applied node, `bootimage` before it."""

    schema: int = 1
    old: Side
    new: Side
    subject: tuple[FieldChange, ...]
    tests: TestChanges
    node: LayerChanges | None
    bootimage: LayerChanges | None
    phases: tuple[PhaseTimes, ...]
    sightings: tuple[NewSighting, ...]
    missing_commands: tuple[NewMissing, ...]
    missing_units: tuple[NewMissing, ...]

    @property
    def is_worse(self) -> bool:
        """Whether a test turned red."""
        return bool(self.tests.turned_red)


def compare(old: RunRecord, new: RunRecord) -> Comparison:
    """Return how the run `new` differs from the run `old`."""
    return Comparison(
        old=_side(old),
        new=_side(new),
        subject=field_changes(old.subject, new.subject),
        tests=_test_changes(old, new),
        node=_layer_changes(*_layers(old, new, "after")),
        bootimage=_layer_changes(*_layers(old, new, "before")),
        phases=tuple(_phase_times(old, new)),
        sightings=tuple(_new_sightings(old, new)),
        missing_commands=tuple(_new_missing(old, new, MissingCommand)),
        missing_units=tuple(_new_missing(old, new, MissingUnit)),
    )


def _side(run: RunRecord) -> Side:
    return Side(id=run.id, started=run.started, state=run.state, subject=run.subject)


def _test_changes(old: RunRecord, new: RunRecord) -> TestChanges:
    before = {test.id: test for test in old.tests}
    after = {test.id: test for test in new.tests}
    groups: defaultdict[str, list[TestChange]] = defaultdict(list)
    for name in before | after:
        first, second = before.get(name), after.get(name)
        if group := _group(first, second):
            groups[group].append(_test_change(name, first, second))
    return TestChanges(**{name: tuple(changes) for name, changes in groups.items()})


def _group(old: TestRecord | None, new: TestRecord | None) -> str | None:
    if new is None:
        return "gone"
    was_red = old is not None and old.outcome.is_red
    if new.outcome.is_red:
        return "still_red" if was_red else "turned_red"
    if old is None:
        return "new"
    return "turned_green" if was_red else None


def _test_change(name: str, old: TestRecord | None, new: TestRecord | None) -> TestChange:
    return TestChange(
        id=name,
        old=old.outcome if old else None,
        new=new.outcome if new else None,
        blame=new.blame if new else None,
        message=new.message if new else "",
    )


def _layers(
    old: RunRecord, new: RunRecord, which: str
) -> tuple[LayerRecord | None, LayerRecord | None]:
    """Return the layers of a machine that both sides have, else of any machine of each side."""
    before, after = _layers_of(old, which), _layers_of(new, which)
    common = [name for name in before if name in after]
    if common:
        return before[common[0]], after[common[0]]
    return next(iter(before.values()), None), next(iter(after.values()), None)


def _layers_of(run: RunRecord, which: str) -> dict[str, LayerRecord]:
    layers = ((machine.name, attrgetter(which)(machine)) for machine in run.machines)
    return {name: layer for name, layer in layers if layer is not None}


def _layer_changes(old: LayerRecord | None, new: LayerRecord | None) -> LayerChanges | None:
    if old is None or new is None:
        return None
    return LayerChanges(
        packages=package_changes(old.packages, new.packages),
        os_release=field_changes(old.os_release, new.os_release),
    )


def _phase_times(old: RunRecord, new: RunRecord) -> Iterator[PhaseTimes]:
    before, after = _phases(old), _phases(new)
    for key in before | after:
        machine, boot, name = key
        either = after.get(key) or before[key]
        old_s, new_s = took_s(before.get(key)), took_s(after.get(key))
        yield PhaseTimes(
            machine=machine, boot=boot, name=name, title=either.title, depth=either.depth,
            old_s=old_s, new_s=new_s, ratio=new_s / old_s if old_s and new_s is not None else None,
            old_end=_ending(before.get(key)), new_end=_ending(after.get(key)),
        )  # fmt: skip


def _ending(phase: PhaseRecord | None) -> Ending:
    if phase is None:
        return Ending.NOT_REACHED
    if phase.is_failed:
        return Ending.FAILED
    return Ending.LASTS if phase.end_s is None else Ending.ENDED


def _phases(run: RunRecord) -> dict[PhaseKey, PhaseRecord]:
    return {(m.name, phase.boot, phase.name): phase for m in run.machines for phase in m.phases}


def took_s(phase: PhaseRecord | None) -> float | None:
    """Return what a phase took; None if it was not reached, failed, or still lasts."""
    if phase is None or phase.end_s is None or phase.is_failed:
        return None
    return phase.end_s - phase.begin_s


def _new_sightings(old: RunRecord, new: RunRecord) -> Iterator[NewSighting]:
    known = {(m.name, s.rule, s.weight) for m in old.machines for s in m.sightings}
    for machine in new.machines:
        for sighting in machine.sightings:
            if (machine.name, sighting.rule, sighting.weight) not in known:
                yield NewSighting(machine=machine.name, sighting=sighting)


def _new_missing(old: RunRecord, new: RunRecord, kind: type[Missing]) -> Iterator[NewMissing]:
    known = {_missed(m, missing) for m in old.machines for missing in m.missing}
    for machine in new.machines:
        for missing in machine.missing:
            if isinstance(missing, kind) and _missed(machine, missing) not in known:
                yield NewMissing(machine=machine.name, missing=missing)


def _missed(machine: MachineRecord, missing: Missing) -> tuple[str, str]:
    return machine.name, str(missing)
