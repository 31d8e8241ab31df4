"""What Ignition's port shows of a failure."""

from __future__ import annotations

import json

from diagnosis_replay import transcript

from harness.diagnosis.line import Stream
from harness.diagnosis.readers.ignition_port import IgnitionReader


def entry(message: object, priority: str = "3", who: str = "ignition", **fields: str) -> str:
    standard = {"MESSAGE": message, "PRIORITY": priority, "SYSLOG_IDENTIFIER": who}
    return json.dumps(standard | fields) + "\n"


def errors(text: str) -> list[str]:
    return [line.text for line in IgnitionReader().feed(text, 30.0)]


def test_silent_port_reports_nothing() -> None:
    assert IgnitionReader().feed("", 1.0) == []


def test_only_what_is_bad_makes_a_line() -> None:
    reader = IgnitionReader()

    lines = reader.feed(entry("starting", "6") + entry("no such device", who="kernel"), 30.0)

    assert [(line.identifier, line.text) for line in lines] == [("kernel", "no such device")]
    assert lines[0].stream is Stream.IGNITION


def test_errors_of_others_count_and_what_is_cut_waits() -> None:
    assert errors(entry("cannot mount", who="mount") + '{"MESSAGE": "cut') == ["cannot mount"]


def test_messages_that_are_no_utf8_come_as_numbers() -> None:
    assert errors(entry([98, 97, 100, 255])) == ["bad\ufffd"]


def test_level_that_ignition_prints_counts_as_priority() -> None:
    reader = IgnitionReader()

    lines = reader.feed(
        entry("INFO     : Stage: files", "6") + entry("CRITICAL : Ignition failed: x", "6"), 30.0
    )

    assert [(line.text, line.priority) for line in lines] == [("Ignition failed: x", 2)]


def test_recorded_failure_is_reported_with_its_times() -> None:
    reader = IgnitionReader()
    reader.clock.hear(1, 20.0, 28.0)

    last = reader.feed(transcript("badign-ignition.json"), 36.0)[-1]

    assert last.text.startswith("Ignition failed: failed to create users/groups: ")
    assert (last.priority, last.at_s) == (2, 33.715455)
