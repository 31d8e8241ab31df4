"""Which marks a line shows."""

from __future__ import annotations

import re

import pytest

from harness.diagnosis import mark
from harness.diagnosis.line import Job, Line, Stream
from harness.diagnosis.mark import Index, Mark


def a_line(text: str = "x", stream: Stream = Stream.JOURNAL, **more: object) -> Line:
    return Line(stream=stream, at_s=3.0, text=text, **more)  # type: ignore[arg-type]


def fits(one: Mark, line: Line) -> bool:
    return bool(Index([one]).hits(line))


TEXT = Mark(text=re.compile("lost"))
UNIT = Mark(unit=re.compile(r"a\.service"), job=Job.FAILED)
SPOKEN = Mark(text=re.compile("lost"), identifier=re.compile("a|b"))


@pytest.mark.parametrize(
    ("one", "line"),
    [
        (TEXT, a_line("it is lost")),
        (TEXT, a_line("it is lost", Stream.IGNITION)),
        (Mark(text=re.compile("^it|lost")), a_line("is lost")),
        (Mark(text=re.compile(r"^[|]it")), a_line("|it")),
        (UNIT, a_line(unit="a.service", job=Job.FAILED)),
        (SPOKEN, a_line("lost", identifier="b")),
        (Mark(event="pull done"), a_line("pull done: 7 bytes", Stream.EVENTS)),
        (Mark(event="pull done", text=re.compile(r"\d")), a_line("pull done: 7", Stream.EVENTS)),
        (Mark(described="A B", job=Job.STARTED), a_line("Started A B.", job=Job.STARTED)),
    ],
)
def test_line_shows_a_mark_of_which_all_fits(one: Mark, line: Line) -> None:
    assert fits(one, line)


@pytest.mark.parametrize(
    ("one", "line"),
    [
        (TEXT, a_line("it is here")),
        (TEXT, a_line("lost", Stream.EVENTS)),
        (TEXT, a_line("lost", identifier="sudo")),
        (Mark(text=re.compile("^it")), a_line("is it")),
        (UNIT, a_line(unit="a.service", job=Job.JOB_FAILED)),
        (UNIT, a_line(unit="aa.service", job=Job.FAILED)),
        (SPOKEN, a_line("lost", identifier="ab")),
        (Mark(event="pull done"), a_line("pull done", Stream.JOURNAL)),
        (Mark(event="pull done"), a_line("pull done so", Stream.EVENTS)),
        (Mark(event="pull done", text=re.compile(r"\d")), a_line("pull done: x", Stream.EVENTS)),
        (Mark(described="A B", job=Job.STARTED), a_line("Started A B.", job=Job.STOPPED)),
        (
            Mark(described="A B", job=Job.STARTED),
            a_line("Started A B.", job=Job.STARTED, unit="a.service"),
        ),
    ],
)
def test_line_does_not_show_a_mark_of_which_anything_does_not_fit(one: Mark, line: Line) -> None:
    assert not fits(one, line)


def test_hit_has_boot_time_and_groups() -> None:
    one = Mark(text=re.compile("(?P<what>a)|(?P<other>b)"))

    (hit,) = Index([one]).hits(a_line("a", boot=2, unit="u.service", identifier="i"))

    assert (hit.mark, hit.boot, hit.at_s) == (one, 2, 3.0)
    assert hit.groups == {"what": "a", "other": "", "unit": "u.service", "identifier": "i"}


def test_mark_of_several_owners_is_asked_once() -> None:
    assert len(Index([TEXT, Mark(text=re.compile("lost"))]).hits(a_line("lost"))) == 1


def test_names_without_end_are_not_all_remembered() -> None:
    index = Index([SPOKEN])

    for number in range(2100):
        index.hits(a_line("lost", identifier=f"p{number}"))

    assert index._candidates.cache_info().currsize == mark._MOST_VOICES < 2100
