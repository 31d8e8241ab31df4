"""The guest's events, as text."""

from __future__ import annotations

from diagnosis_replay import transcript

from harness.diagnosis.line import Stream
from harness.diagnosis.readers.arrival import GuestClock
from harness.diagnosis.readers.console import ConsoleReader
from harness.diagnosis.readers.events import Event, EventReader, EventState

GOOD = """\
stage=pull state=started uptime=36.90 detail=
stage=pull state=progress uptime=41.20 detail=Target node image is 10.0.2.2:5000/node@sha256:abc
stage=pull state=done uptime=133.80 detail=
stage=overlay state=started uptime=133.90 detail=
stage=overlay state=done uptime=140.30 detail=
stage=finish state=done uptime=140.50 detail=
stage=multi-user state=done uptime=155.10 detail=
"""


def parse(text: str) -> tuple[Event, ...]:
    reader = EventReader()
    reader.feed(text, 200.0)
    return reader.events


def test_events_keep_stage_state_time_and_the_rest_of_the_line() -> None:
    event = parse(GOOD)[1]

    assert (event.stage, event.state, event.uptime_s) == ("pull", EventState.PROGRESS, 41.2)
    assert event.detail == "Target node image is 10.0.2.2:5000/node@sha256:abc"


def test_a_line_still_being_written_waits_for_its_end() -> None:
    cut = GOOD.rstrip("\n")

    assert len(parse(cut)) == len(parse(GOOD)) - 1


def test_anything_else_on_the_port_is_passed_over() -> None:
    noise = "hello\nstage=pull state=dancing uptime=1.0 detail=\nstage=pull state=done\n\x00\n"

    assert parse(noise + GOOD) == parse(GOOD)


def test_control_characters_of_the_guest_do_not_reach_a_terminal() -> None:
    (event,) = parse("stage=pull state=progress uptime=1.00 detail=\x1b[31mred\x07\n")

    assert event.detail == "[31mred"


def test_reader_reports_each_event_when_its_line_is_whole() -> None:
    reader = EventReader()
    text = "stage=pull state=progress uptime=41.20 detail=received 15 MB\n"

    lines = reader.feed(text[:30], 50.0) + reader.feed(text[30:], 50.1)

    (line,) = lines
    assert (line.stream, line.text) == (Stream.EVENTS, "pull progress: received 15 MB")
    assert (line.uptime_s, line.at_s, line.priority) == (41.2, 50.1, 6)


def test_reader_gives_a_burst_true_times_and_keeps_its_events() -> None:
    reader = EventReader()

    lines = reader.feed(GOOD, 165.1)

    assert [round(line.at_s, 1) for line in lines[:2]] == [46.9, 51.2]
    assert [line.text for line in lines[-2:]] == ["finish done", "multi-user done"]
    assert reader.events == parse(GOOD)


def test_failure_is_an_error() -> None:
    lines = EventReader().feed(transcript("noreg-events.txt"), 300.0)

    assert [line.text for line in lines if line.priority == 3] == [
        "pull failed: node-image-pull.service failed, result exit-code, exit status 1"
    ]


def event(uptime_s: float) -> str:
    return f"stage=pull state=progress uptime={uptime_s:.2f} detail=x\n"


def test_boot_begins_where_the_guests_time_starts_anew() -> None:
    reader = EventReader()

    lines = [line for s in (100, 95, 101, 30, 31) for line in reader.feed(event(s), 200.0 + s)]

    assert [line.boot for line in lines] == [1, 1, 1, 2, 2]


def test_boot_is_the_consoles_where_it_counts() -> None:
    clock = GuestClock()
    reader = EventReader(clock=clock)
    reader.feed(event(30), 40.0)
    clock.boot = 2

    lines = reader.feed(event(31), 100.0) + reader.feed(event(32), 101.0)

    assert [(line.boot, line.at_s) for line in lines] == [(2, 100.0), (2, 101.0)]


def test_last_event_of_a_boot_is_its_own_though_the_console_is_in_the_next() -> None:
    clock = GuestClock()
    console, reader = ConsoleReader(clock=clock), EventReader(clock=clock)
    console.feed("[    0.000000] Linux version 6\n", 10.0)
    console.feed("[   81.000000] reboot: Restarting system\n", 91.0)
    console.feed("[    0.000000] Linux version 6\n", 94.0)

    lines = (
        reader.feed(event(80), 94.0) + reader.feed(event(85), 179.5) + reader.feed(event(9), 999)
    )

    assert [line.boot for line in lines] == [1, 2, 3]
