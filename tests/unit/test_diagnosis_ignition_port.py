"""What Ignition's port shows of a failure."""

from __future__ import annotations

import json

from diagnosis_replay import transcript

from harness.diagnosis.ignition_port import IgnitionReader
from harness.diagnosis.line import Stream


def entry(message: object, priority: str = "3", who: str = "ignition", **fields: str) -> str:
    told = {"MESSAGE": message, "PRIORITY": priority, "SYSLOG_IDENTIFIER": who}
    return json.dumps(told | fields) + "\n"


def errors(text: str) -> tuple[str, ...]:
    reader = IgnitionReader()
    reader.feed(text, 30.0)
    return tuple(line.text for line in reader.errors)


def test_silent_port_tells_nothing() -> None:
    reader = IgnitionReader()

    assert (reader.feed("", 1.0), reader.errors, reader.is_complete) == ([], (), False)


def test_only_what_is_bad_makes_a_line() -> None:
    reader = IgnitionReader()

    lines = reader.feed(entry("starting", "6") + entry("no such device", who="kernel"), 30.0)

    assert [(line.identifier, line.text) for line in lines] == [("kernel", "no such device")]
    assert lines[0].stream is Stream.IGNITION


def test_ignitions_own_errors_are_the_decisive_ones_once_each() -> None:
    text = entry("no such device", who="kernel") + entry("failed to fetch config: 404") * 2

    assert errors(text) == ("failed to fetch config: 404",)


def test_errors_of_others_count_where_ignition_is_silent() -> None:
    assert errors(entry("cannot mount", who="mount") + '{"MESSAGE": "cut') == ("cannot mount",)


def test_messages_that_are_no_utf8_come_as_numbers() -> None:
    assert errors(entry([98, 97, 100, 255])) == ("bad\ufffd",)


def test_level_that_ignition_prints_counts_as_priority() -> None:
    reader = IgnitionReader()

    lines = reader.feed(
        entry("INFO     : Stage: files", "6") + entry("CRITICAL : Ignition failed: x", "6"), 30.0
    )

    assert [(line.text, line.priority) for line in lines] == [("Ignition failed: x", 2)]


def test_empty_object_ends_the_report() -> None:
    reader = IgnitionReader()

    reader.feed(entry("x") + "{", 1.0)
    before = reader.is_complete
    reader.feed("}\n", 1.1)

    assert (before, reader.is_complete) == (False, True)


def test_recorded_failure_is_told_with_its_times() -> None:
    reader = IgnitionReader()
    reader.clock.hear(1, 20.0, 28.0)

    reader.feed(transcript("badign-ignition.json"), 36.0)

    last = reader.errors[-1]
    assert last.text.startswith("Ignition failed: failed to create users/groups: ")
    assert (last.priority, last.at_s) == (2, 33.715455)
    assert reader.is_complete
