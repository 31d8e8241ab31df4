"""What becomes of a journal as JSON lines, and of its entries in Journal Export Format."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest
from diagnosis_replay import transcript

from harness.diagnosis.line import Job, Line, Stream
from harness.diagnosis.readers.arrival import GuestClock
from harness.diagnosis.readers.journal import Entry, JournalReader, text_of, to_export

STARTED = "39f53479d3a045ac8e11786248231fbf"
FAILED = "be02cf6855d2428ba40df7e9d022f03d"
FAILURE = "a.service: Failed with result 'x'."


def entry(text: object = "x", uptime_s: float = 1.0, boot: str = "b1", **fields: str) -> str:
    return with_fields(
        fields
        | {"MESSAGE": text, "_BOOT_ID": boot, "__MONOTONIC_TIMESTAMP": f"{uptime_s * 1e6:.0f}"}
    )


def with_fields(fields: Mapping[str, object]) -> str:
    return json.dumps(fields) + "\n"


def read(text: str, now_s: float = 100.0) -> list[Entry]:
    return JournalReader().feed(text, now_s)


def only(text: str) -> Line:
    (one,) = read(text)
    return one.line


def test_entry_keeps_its_fields_beside_the_line() -> None:
    text = entry("hello", SYSLOG_IDENTIFIER="pull", PRIORITY="3", _SYSTEMD_UNIT="pull.service")

    (one,) = read(text)

    assert one.fields == json.loads(text)
    assert one.line == Line(
        stream=Stream.JOURNAL, at_s=100.0, text="hello", unit="pull.service", identifier="pull",
        priority=3, uptime_s=1.0,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("fields", "unit"),
    [
        ({"UNIT": "a.service", "_SYSTEMD_UNIT": "init.scope"}, "a.service"),
        ({"USER_UNIT": "b.service", "_SYSTEMD_UNIT": "user@0.service"}, "b.service"),
        ({"_SYSTEMD_UNIT": "c.service"}, "c.service"),
        ({"UNIT": None, "_SYSTEMD_UNIT": ["d.service", "e.service"]}, "d.service"),
        ({}, ""),
    ],
)
def test_unit_spoken_of_comes_before_the_one_that_speaks(
    fields: dict[str, object], unit: str
) -> None:
    assert only(with_fields(fields)).unit == unit


@pytest.mark.parametrize(
    ("fields", "job"),
    [
        ({"MESSAGE_ID": "7d4958e842da4a758f6c1cdc7b36dcc5"}, Job.STARTING),
        ({"MESSAGE_ID": STARTED, "JOB_RESULT": "done"}, Job.STARTED),
        ({"MESSAGE_ID": "de5b426a63be47a7b6ac3eaac82e2f6f"}, Job.STOPPING),
        ({"MESSAGE_ID": "9d1aaa27d60140bd96365438aad20286", "JOB_RESULT": "done"}, Job.STOPPED),
        (
            {"MESSAGE_ID": "9d1aaa27d60140bd96365438aad20286", "JOB_RESULT": "timeout"},
            Job.JOB_FAILED,
        ),
        ({"MESSAGE_ID": FAILED, "JOB_RESULT": "dependency"}, Job.DEPENDENCY),
        ({"MESSAGE_ID": "d9b373ed55a64feb8242e02dbe79a49c"}, Job.FAILED),
        ({"MESSAGE_ID": "5eb03494b6584870a536b337290809b3"}, Job.RESTARTING),
        ({"MESSAGE_ID": "ae8f7b866b0347b9af31fe1c80b127c0"}, Job.NONE),
        ({"MESSAGE_ID": FAILED, "JOB_RESULT": "failed"}, Job.JOB_FAILED),
        ({}, Job.NONE),
        ({"SYSLOG_IDENTIFIER": "systemd", "MESSAGE": FAILURE}, Job.FAILED),
        ({"SYSLOG_IDENTIFIER": "cat", "MESSAGE": FAILURE}, Job.NONE),
    ],
)
def test_message_id_and_result_determine_the_job(fields: dict[str, object], job: Job) -> None:
    assert only(with_fields(fields)).job is job


def test_unit_whose_condition_was_not_met_has_not_started() -> None:
    jobs = {e.line.text[:30]: e.line.job for e in read(transcript("good-journal.json"))}

    assert jobs["ignition-fetch.service - Ignit"] is Job.NONE
    assert jobs["Finished ignition-fetch-offlin"] is Job.STARTED


def test_kernel_knows_its_own_time_better() -> None:
    source = {"_SOURCE_MONOTONIC_TIMESTAMP": "500000"}

    kernel = only(entry(uptime_s=10.0, _TRANSPORT="kernel", **source))
    other = only(entry(uptime_s=10.0, _TRANSPORT="stdout", **source))

    assert (kernel.uptime_s, other.uptime_s) == (0.5, 10.0)


def test_burst_that_arrives_late_has_true_times() -> None:
    lines = [e.line for e in read(entry(uptime_s=4.0) + entry(uptime_s=60.0), now_s=70.0)]

    assert [line.at_s for line in lines] == [14.0, 70.0]


def test_console_s_clock_gives_the_first_piece_of_a_burst_true_times() -> None:
    clock = GuestClock()
    clock.hear(1, 62.0, 70.0)

    (one,) = JournalReader(clock=clock).feed(entry(uptime_s=4.0), 70.0)

    assert one.line.at_s == 12.0


def test_boots_are_counted_by_their_ids_and_keep_their_times() -> None:
    reader = JournalReader()
    reader.feed(entry(uptime_s=10.0, boot="one"), 15.0)

    entries = reader.feed(
        entry(uptime_s=3.0, boot="two") + entry(uptime_s=9.0, boot="one")
        + '{"MESSAGE": "of none"}\n', 50.0,
    )  # fmt: skip

    assert [(e.line.boot, e.line.at_s) for e in entries] == [(2, 50.0), (1, 14.0), (2, 50.0)]


def test_boot_whose_journal_never_came_is_counted_by_the_console() -> None:
    clock = GuestClock()
    clock.boot = 2

    (one,) = JournalReader(clock=clock).feed(entry(), 10.0)

    assert one.line.boot == 2


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("a", "a"),
        ([104, 105, 255], "hi\ufffd"),
        (["first", "second"], "first"),
        ([[104, 105], "second"], "hi"),
        (None, ""),
        ([], ""),
        (7, ""),
        ("\ud800", "\ufffd\ufffd\ufffd"),
    ],
)
def test_values_come_in_four_forms(value: object, text: str) -> None:
    assert text_of(value) == text


def test_message_is_one_clean_line() -> None:
    line = only(entry("\x1b[31mdumped core\x1b[0m.\n\n  Stack trace:\r\n#0 x" + "y" * 9000))

    assert line.text.startswith("dumped core. | Stack trace: | #0 xyyy")
    assert len(line.text) == 4000


@pytest.mark.parametrize(
    ("priority", "expected"), [("0", 0), ("7", 7), ("8", 6), ("x", 6), ("-1", 6), ("9" * 5000, 6)]
)
def test_priority_is_that_of_syslog(priority: str, expected: int) -> None:
    assert only(entry(PRIORITY=priority)).priority == expected


def test_cut_entry_waits_and_noise_is_passed_over() -> None:
    reader = JournalReader()
    noise = "-- No entries --\n[1]\n" + "[" * 5000 + "\n\n{}x\n"

    begun = reader.feed(noise + entry("whole") + entry("cut")[:20], 1.0)
    ended = reader.feed(entry("cut")[20:], 2.0)

    assert [e.line.text for e in begun + ended] == ["whole", "cut"]


def test_stream_that_begins_anew_repeats_nothing() -> None:
    text = transcript("good-journal.json")
    reader = JournalReader()

    first, again = reader.feed(text, 300.0), reader.feed(text, 301.0)

    assert (len(first), again) == (len(text.splitlines()), [])


def shout(text: str) -> str:
    return text.upper()


def test_export_has_addresses_first_and_clean_text() -> None:
    fields = {
        "MESSAGE": "a secret", "__REALTIME_TIMESTAMP": "17", "_PID": "1", "__OTHER": "x",
        "bad name": "x", "PRIORITY": None, "EMPTY": "",
    }  # fmt: skip

    exported = to_export(fields, shout)

    assert exported == b"__REALTIME_TIMESTAMP=17\nMESSAGE=A SECRET\n_PID=1\nEMPTY=\n\n"


@pytest.mark.parametrize(
    ("value", "exported"),
    [
        ("two\nlines", b"X\n\x09\0\0\0\0\0\0\0TWO\nLINES\n\n"),
        ([104, 105, 255], b"X\n\x03\0\0\0\0\0\0\0HI\xff\n\n"),
        (["a", [98, 10]], b"X=A\nX\n\x02\0\0\0\0\0\0\0B\n\n\n"),
        ("grün", "X=GRÜN\n\n".encode()),
    ],
)
def test_values_that_are_no_printable_line_are_exported_with_their_length(
    value: object, exported: bytes
) -> None:
    assert to_export({"X": value}, shout) == exported
