"""The timeline shows each phase once, in its place; no text is clipped or covered."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from xml.etree import ElementTree

import pytest

from harness.folders import fixture
from harness.model.record import Blame, MachineRecord, PhaseRecord, Sighting, State, Weight
from harness.report import document, timeline
from harness.report.drawing import Label, Scale, width
from harness.report.inert import plain

GOOD = document.read(fixture("report/example-good.json")).machines[0]
FAILED = document.read(fixture("report/example-failed.json")).machines[0]
WIDTHS = (340, 1000)
SCREENS = [(machine, width) for machine in (GOOD, FAILED) for width in WIDTHS]
IDS = [f"{name}-{width}" for name in ("good", "failed") for width in WIDTHS]


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


def drawn(machine: MachineRecord, width_px: int = 1000) -> ElementTree.Element:
    return ElementTree.fromstring(timeline.draw(machine, width_px).svg)  # noqa: S314 - our own


def groups(svg: ElementTree.Element, kind: str) -> list[ElementTree.Element]:
    return [g for g in svg.iter("g") if kind in g.attrib["class"].split()]


def tip(group: ElementTree.Element) -> str:
    return group.findtext("title") or ""


def span(rect: ElementTree.Element) -> tuple[float, float]:
    x = float(rect.attrib["x"])
    return x, x + float(rect.attrib["width"])


def place(text: ElementTree.Element) -> Label:
    at = text.attrib
    return Label(text=text.text or "", x=float(at["x"]), anchor=at["text-anchor"])


@pytest.mark.parametrize(("machine", "width_px"), SCREENS, ids=IDS)
def test_nothing_is_clipped(machine: MachineRecord, width_px: int) -> None:
    svg = drawn(machine, width_px)
    height = float(svg.attrib["viewBox"].split()[3])

    for rect in svg.iter("rect"):
        assert 0 <= span(rect)[0] < span(rect)[1] <= width_px + 1
    for text in svg.iter("text"):
        assert place(text).left >= 0
        assert place(text).right <= width_px
        assert 8 <= float(text.attrib["y"]) <= height


@pytest.mark.parametrize(("machine", "width_px"), SCREENS, ids=IDS)
def test_every_phase_is_drawn_with_its_seconds(machine: MachineRecord, width_px: int) -> None:
    svg = drawn(machine, width_px)

    tips = [tip(g) for g in (*groups(svg, "chain"), *groups(svg, "nested"))]
    assert len(tips) == len(machine.phases)
    for row in timeline.rows(machine):
        if row.phase.end_s is None:
            assert f"{row.number}. {plain(row.title)}: since {row.phase.begin_s:.1f} s" in tips
            continue
        begin, end = f"{row.phase.begin_s:.1f}", f"{row.phase.end_s:.1f}"
        took = f"{row.phase.end_s - row.phase.begin_s:.1f}"
        assert f"{row.number}. {plain(row.title)}: {begin} s to {end} s, {took} s" in tips


@pytest.mark.parametrize(("machine", "width_px"), SCREENS, ids=IDS)
def test_nothing_covers_anything_in_its_lane(machine: MachineRecord, width_px: int) -> None:
    lanes: dict[float, list[tuple[float, float]]] = {}
    for group in groups(drawn(machine, width_px), "nested"):
        (rect,), (text,) = group.findall("rect"), group.findall("text")
        begin, end = span(rect)
        label = place(text)
        taken = min(begin, label.left), max(end, label.right)
        lanes.setdefault(float(rect.attrib["y"]), []).append(taken)

    assert len(lanes) > 1
    for taken_in_lane in lanes.values():
        for before, after in pairwise(taken_in_lane):
            assert before[1] <= after[0]


@pytest.mark.parametrize(("machine", "width_px"), SCREENS, ids=IDS)
def test_what_has_no_room_for_its_title_is_listed(machine: MachineRecord, width_px: int) -> None:
    svg = drawn(machine, width_px)

    titles = {text.text for text in svg.iter("text")}
    listed = {plain(row.title) for row in timeline.draw(machine, width_px).numbered}
    assert listed
    assert listed == {plain(row.title) for row in timeline.rows(machine)} - titles


def test_title_that_fits_nowhere_is_a_number() -> None:
    outer, inner = phase("outer", 0, 100), phase("a title of sixty letters " * 3, 30, 70, depth=1)

    svg = drawn(machine(outer, inner), 340)

    (bar,) = groups(svg, "nested")
    assert [text.text for text in bar.iter("text")] == ["2"]


def test_failed_phase_stands_out_by_more_than_colour() -> None:
    (failed,) = groups(drawn(FAILED), "failed")

    assert [text.text for text in failed.iter("text")] == [
        "\N{MULTIPLICATION X} pull of the node image"
    ]
    assert drawn(FAILED).attrib["aria-label"].endswith("s, failed: pull of the node image")


def test_phase_that_lasts_reaches_to_what_is_known() -> None:
    svg = drawn(machine(phase("kernel", 0, 20), phase("initramfs", 20, None)))

    (still,) = groups(svg, "open")
    assert tip(still) == "2. initramfs: since 20.0 s"
    (rect,) = still.findall("rect")
    assert span(rect)[1] == pytest.approx(999, abs=1)


@pytest.mark.parametrize("state", [State.UP, State.FINISHED])
def test_machine_that_is_up_does_not_stretch_the_picture(state: State) -> None:
    stays = machine(phase("kernel", 0, 40), phase("multi-user", 40, None))
    left = machine(phase("kernel", 0, 20), phase("multi-user", 20, 40))

    svgs = [drawn(replace(machine, state=state)) for machine in (stays, left)]

    assert [svg.attrib["aria-label"] for svg in svgs] == [
        "Timeline of m: 2 phases in 42.0 s",
        "Timeline of m: 2 phases in 40.0 s",
    ]


def test_boots_are_told_apart() -> None:
    again = replace(phase("kernel", 60, 80), boot=2)
    one, two = drawn(machine(phase("kernel", 0, 50))), drawn(machine(phase("kernel", 0, 50), again))

    assert [t.text for t in two.iter("text") if (t.text or "").startswith("boot")] == [
        "boot 1",
        "boot 2",
    ]
    assert not [line for line in one.iter("line") if line.attrib["class"] == "boot"]
    parting = [line for line in two.iter("line") if line.attrib["class"] == "boot"][1]
    assert float(parting.attrib["x1"]) == pytest.approx(750, abs=2)


def test_phase_does_not_last_into_the_next_boot() -> None:
    again = replace(phase("kernel", 75, 100), boot=2)

    svg = drawn(machine(phase("multi-user", 0, None), again))

    (lost,) = groups(svg, "open")
    (rect,) = lost.findall("rect")
    assert span(rect)[1] == pytest.approx(750, abs=2)


def test_title_may_run_over_the_end_of_its_bar() -> None:
    outer, inner = phase("outer", 0, 100), phase("a title of some letters", 30, 60, depth=1)

    svg = drawn(machine(outer, inner), 260)

    (bar,) = groups(svg, "nested")
    (text,) = bar.iter("text")
    assert (text.text, text.attrib["class"]) == ("a title of some letters", "label")
    assert place(text).left == pytest.approx(260 * 0.3 + 6, abs=2)


def test_sightings_are_marked_where_they_were() -> None:
    marks = (sighting(50, Weight.WARNING), sighting(100, Weight.FATAL, "no disk"))

    svg = drawn(machine(phase("kernel", 0, 100), sightings=marks))

    warning, fatal = groups(svg, "mark")
    assert (warning.attrib["class"], fatal.attrib["class"]) == ("mark warning", "mark fatal")
    assert tip(fatal) == "fatal at 100.0 s: no disk"
    (stem,) = warning.findall("line")
    assert float(stem.attrib["x1"]) == pytest.approx(500, abs=1)


def test_sightings_in_one_place_share_the_mark_of_the_worst() -> None:
    weights = (Weight.ALLOWED, Weight.FATAL, Weight.WARNING)
    near = tuple(sighting(50 + n / 10, weight) for n, weight in enumerate(weights))

    (mark,) = groups(drawn(machine(phase("kernel", 0, 100), sightings=near)), "mark")

    assert mark.attrib["class"] == "mark fatal"
    assert [part[:7] for part in tip(mark).split("; ")] == ["allowed", "fatal a", "warning"]


@pytest.mark.parametrize(
    ("end_s", "width_px", "ticks"),
    [
        (9.5, 1000, list(range(10))),
        (100, 1000, list(range(0, 101, 10))),
        (100, 340, [0, 20, 40, 60, 80, 100]),
        (3600, 340, [0, 600, 1200, 1800, 2400, 3000, 3600]),
        (0.4, 340, [0]),
    ],
)
def test_ticks_are_round_and_apart(end_s: float, width_px: int, ticks: list[int]) -> None:
    assert list(Scale(width_px=width_px, end_s=end_s).ticks_s()) == ticks


def test_machine_without_phases_has_no_picture() -> None:
    assert timeline.draw(machine(), 1000) == timeline.Picture()


def test_moment_of_no_length_is_drawn() -> None:
    svg = drawn(machine(phase("firmware", 0, 0)))

    (rect,) = svg.iter("rect")
    assert span(rect)[1] > span(rect)[0]


def test_hostile_words_are_plain_letters() -> None:
    hostile = '<script>&"\x1b[31m\x00'

    svg = timeline.draw(
        machine(phase(hostile, 0, 9), sightings=(sighting(1, Weight.FATAL, hostile),)), 1000
    ).svg

    assert "<script" not in svg
    assert "&" not in svg
    assert "\x1b" not in svg
    assert ElementTree.fromstring(svg).tag == "svg"  # noqa: S314 - our own


def test_width_of_a_label_counts_its_letters() -> None:
    assert width("four") * 2 == pytest.approx(width("fourfour"))
