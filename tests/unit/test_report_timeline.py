"""The timeline has each phase once, in its place, as a share of the time that is shown."""

from __future__ import annotations

from dataclasses import replace

import pytest
from page_reader import read

from harness.folders import fixture
from harness.model.record import Blame, MachineRecord, PhaseRecord, Sighting, State, Weight
from harness.report import document, inert, page, timeline

RUN = document.read(fixture("examples/report-failed.json"))
GOOD = document.read(fixture("examples/report-good.json")).machines[0]
FAILED = RUN.machines[0]


def phase(title: str, begin_s: float, end_s: float | None, depth: int = 0) -> PhaseRecord:
    return PhaseRecord(name=title, title=title, begin_s=begin_s, end_s=end_s, depth=depth)


def machine(*phases: PhaseRecord, sightings: tuple[Sighting, ...] = ()) -> MachineRecord:
    return MachineRecord(
        name="m", scenario="s", folder="m", elapsed_s=100.0, phases=phases, sightings=sightings,

    )  # fmt: skip


def sighting(at_s: float, weight: Weight, cause: str = "it broke") -> Sighting:
    return Sighting(
        rule="r", weight=weight, blame=Blame.PRODUCT, phase="p", at_s=at_s, cause=cause, advice="",
        source="",
    )  # fmt: skip


def bars(machine: MachineRecord) -> dict[str, tuple[float, float]]:
    """Where each bar begins and ends, in percent."""
    return {row.phase.title: (row.at, row.at + row.width) for row in timeline.of(machine).rows}


def shown(*machines: MachineRecord) -> str:
    return read(replace(RUN, machines=machines, tests=())).text


@pytest.mark.parametrize("machine", [GOOD, FAILED], ids=["good", "failed"])
def test_every_phase_has_a_bar_within_the_timeline(machine: MachineRecord) -> None:
    rows = timeline.of(machine).rows

    assert {row.phase for row in rows} == set(machine.phases)
    assert len(rows) == len(machine.phases)
    for row in rows:
        assert 0 <= row.at <= row.at + row.width <= 100.001


def test_control_plane_is_a_row_beside_the_phase_that_stays() -> None:
    up = machine(
        phase("services", 0, 40), phase("multi-user.target", 40, None),
        phase("temporary control plane", 40, 80, depth=1),
    )  # fmt: skip

    assert bars(replace(up, state=State.UP))["temporary control plane"] == pytest.approx(
        (100 * 40 / 84, 100 * 80 / 84)
    )
    assert "temporary control plane 40.0 80.0 40.0 s" in shown(up)


def test_variant_of_the_installer_stands_above_the_timeline() -> None:
    variant = "the installer's own config (bootstrap machine): live-apply by a generator"
    text = shown(replace(machine(phase("kernel", 0, 20)), installer=variant))

    assert text.index(f"config: {variant}") < text.index("1 phases in")
    assert "config:" not in shown(machine(phase("kernel", 0, 20)))


def test_bars_are_shares_of_the_time() -> None:
    found = bars(machine(phase("kernel", 0, 20), phase("initramfs", 20, 80)))

    assert found == {"kernel": (0, 25), "initramfs": (25, 100)}


def test_phases_within_another_follow_it() -> None:
    later, inner, outer = phase("b", 50, 90), phase("inner", 10, 20, depth=1), phase("a", 10, 50)

    assert list(bars(machine(later, inner, outer))) == ["a", "inner", "b"]


def test_failed_phase_is_named_by_more_than_colour() -> None:
    text = shown(FAILED)

    assert "12 phases in 111.9 s, failed: pull of the node image" in text
    assert "pull of the node image failed 74.7 111.9 37.2 s" in text


def test_phase_that_lasts_reaches_to_what_is_known() -> None:
    lasting = machine(phase("kernel", 0, 20), phase("initramfs", 20, None))

    assert bars(lasting)["initramfs"] == (20, 100)
    assert "initramfs 20.0 … …" in shown(lasting)


@pytest.mark.parametrize("state", [State.UP, State.FINISHED])
def test_machine_that_is_up_does_not_stretch_the_timeline(state: State) -> None:
    stays = machine(phase("kernel", 0, 40), phase("multi-user", 40, None))
    left = machine(phase("kernel", 0, 20), phase("multi-user", 20, 40))

    assert timeline.of(replace(stays, state=state)).last_s == 42
    assert timeline.of(replace(left, state=state)).last_s == 40


def test_boots_have_parts_of_their_own() -> None:
    again = replace(phase("kernel", 60, 80), boot=2)
    one, two = machine(phase("kernel", 0, 50)), machine(phase("kernel", 0, 50), again)

    boots = timeline.of(two).boots

    assert [(n, [row.phase.begin_s for row in rows]) for n, rows in boots] == [(1, [0]), (2, [60])]
    assert "boot 1 kernel 0.0" in shown(two)
    assert "boot 2 kernel 60.0" in shown(two)
    assert "boot 1" not in shown(one)


def test_phase_does_not_last_into_the_next_boot() -> None:
    again = replace(phase("kernel", 75, 100), boot=2)

    assert bars(machine(phase("multi-user", 0, None), again))["multi-user"] == (0, 75)


def test_sightings_are_marked_where_they_were() -> None:
    marks = (sighting(50, Weight.WARNING), sighting(100, Weight.FATAL, "no disk"))

    warning, fatal = timeline.of(machine(phase("kernel", 0, 100), sightings=marks)).marks

    assert (warning.weight, warning.at) == (Weight.WARNING, 50)
    assert (fatal.weight, fatal.tip) == (Weight.FATAL, "fatal at 100.0 s: no disk")


def test_sightings_in_one_place_share_the_mark_of_the_worst() -> None:
    weights = (Weight.ALLOWED, Weight.FATAL, Weight.WARNING)
    near = tuple(sighting(50 + n / 10, weight) for n, weight in enumerate(weights))

    (mark,) = timeline.of(machine(phase("kernel", 0, 100), sightings=near)).marks

    assert (mark.weight, mark.at) == (Weight.FATAL, 50.1)
    assert [part[:7] for part in mark.tip.split("; ")] == ["allowed", "fatal a", "warning"]


@pytest.mark.parametrize(
    ("end_s", "seconds"),
    [
        (1, [0, 1]),
        (20, [0, 5, 10, 15, 20]),
        (100, [0, 20, 40, 60, 80, 100]),
        (266, [0, 60, 120, 180, 240]),
        (7200, [0, 1800, 3600, 5400, 7200]),
    ],
)
def test_ticks_are_round_and_few(end_s: float, seconds: list[int]) -> None:
    found = timeline.of(machine(phase("kernel", 0, end_s)))

    assert [at_s for at_s, _ in found.ticks] == seconds
    places = [number * found.step for number in range(len(seconds))]
    assert [at for _, at in found.ticks] == pytest.approx(places)


def test_machine_of_a_week_has_a_timeline() -> None:
    assert len(timeline.of(machine(phase("kernel", 0, 600_000))).ticks) == 6


def test_machine_without_phases_has_no_rows() -> None:
    assert timeline.of(machine()).rows == ()


def test_moment_of_no_length_has_its_place() -> None:
    assert bars(machine(phase("firmware", 0, 0))) == {"firmware": (0, 0)}


def test_hostile_words_of_a_mark_are_plain_letters() -> None:
    hostile = '<script>&"\x1b[31m\x00'
    marked = machine(phase(hostile, 0, 9), sightings=(sighting(1, Weight.FATAL, hostile),))

    text = page.render(replace(RUN, machines=(marked,), tests=()), {})

    assert f'title="{inert.plain(f"fatal at 1.0 s: {hostile}")}"' in text
    assert "<script" not in text
