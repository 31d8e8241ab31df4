"""What becomes of a serial console: lines, jobs, prompts, boots."""

from __future__ import annotations

import pytest
from diagnosis_replay import transcript

from harness.diagnosis.line import Job, Line, Stream
from harness.diagnosis.readers.console import LONGEST, ConsoleReader

BANNER = "[    0.000000] Linux version 6.1.0\n"


def read(text: str, now_s: float = 1.0) -> list[Line]:
    return ConsoleReader().feed(text, now_s)


def only(text: str) -> Line:
    (line,) = read(text)
    return line


@pytest.mark.parametrize("size", [3, 61, 100_000])
def test_pieces_of_any_size_make_the_same_lines(size: int) -> None:
    text = transcript("noreg-console.txt")
    reader = ConsoleReader()

    pieces = [text[start : start + size] for start in range(0, len(text), size)]
    lines = [line for piece in pieces for line in reader.feed(piece, 1.0)]

    assert lines == read(text)
    assert len(lines) > 80


def test_time_and_speaker_of_a_forwarded_message_leave_the_text() -> None:
    line = only("[   30.366105] ignition[512]: Stage: fetch-offline\r\n")

    assert (line.stream, line.at_s, line.uptime_s) == (Stream.CONSOLE, 1.0, 30.366105)
    assert (line.identifier, line.text) == ("ignition", "Stage: fetch-offline")


def test_message_of_the_kernel_has_no_speaker() -> None:
    line = only("[    1.102859][    T1] pci 0000:00:01.1:   bridge window [mem 0xfd]\n")

    assert (line.identifier, line.text) == ("", "pci 0000:00:01.1:   bridge window [mem 0xfd]")


def test_kernel_that_breaks_into_a_line_begins_one() -> None:
    lines = read(
        "localhost login: [   83.266647] pull[485]: Target\n"
        "[DEPEND] [   17.929354] ignition[886]: error\n"
    )

    said = [(line.identifier, line.text) for line in lines]
    assert said == [
        ("", "localhost login:"), ("pull", "Target"), ("", "[DEPEND]"), ("ignition", "error"),
    ]  # fmt: skip


STATUS = [
    ("         Starting \x1b[0;1;39ma@b.service\x1b[0m - A...", Job.STARTING, "a@b.service"),
    ("[\x1b[0;32m  OK  \x1b[0m] Started \x1b[1ma.service\x1b[0m - A.", Job.STARTED, "a.service"),
    ("[  OK  ] Finished a.service - A.", Job.STARTED, "a.service"),
    ("[  OK  ] Reached target multi-user.target - Multi.", Job.STARTED, "multi-user.target"),
    ("[  OK  ] Listening on dbus.socket\x1b[…- D-Bus.", Job.STARTED, "dbus.socket"),
    ("[  OK  ] Stopped target a.target - A.", Job.STOPPED, "a.target"),
    ("[  OK  ] Stopped a.service - A.", Job.STOPPED, "a.service"),
    ("         Stopping a.service - A...", Job.STOPPING, "a.service"),
    ("         Mounting sysroot.mount - /sysroot...", Job.STARTING, "sysroot.mount"),
    ("[FAILED] Failed to start a.service - A.", Job.JOB_FAILED, "a.service"),
    ("[DEPEND] Dependency failed for a.target - A.", Job.DEPENDENCY, "a.target"),
    ("[ TIME ] Timed out waiting for device dev-v.device - V.", Job.JOB_FAILED, "dev-v.device"),
    ("Failed to start a.service - A.", Job.JOB_FAILED, "a.service"),
    ("[  OK  ] Finished ignition-fetch-of…ce - Ignition (fetch-offline).", Job.STARTED, ""),
    ("         Starting Ignition (fetch)...", Job.STARTING, ""),
    ("[  5.000000] systemd[1]: Starting Ignition (fetch)...", Job.STARTING, ""),
    ("[    5.000000] systemd[1]: Started a.service - A.", Job.STARTED, "a.service"),
    ("[    5.000000] systemd[1]: a.service: Failed with result 'x'.", Job.FAILED, "a.service"),
    ("See 'systemctl status long-name.service' for details.", Job.FAILED, "long-name.service"),
    ("[    5.000000] (a)[9]: a.service: Failed at step EXEC", Job.NONE, "a.service"),
    (
        "[    5.000000] systemd[1]: a.service: Scheduled restart job, restart counter is at 1.",
        Job.RESTARTING, "a.service",
    ),
    ("[    5.000000] systemd[1]: a.service: Consumed 3s CPU time.", Job.NONE, "a.service"),
    ("[    5.000000] pull[7]: Starting over", Job.NONE, ""),
    ("Failed to start the engine", Job.NONE, ""),
    ("[    5.000000] x[7]: a.service: Failed with result 'x'.", Job.NONE, ""),
]  # fmt: skip


@pytest.mark.parametrize(("raw", "job", "unit"), STATUS)
def test_words_of_systemd_determine_jobs_and_units(raw: str, job: Job, unit: str) -> None:
    line = only(f"{raw}\r\n")

    assert (line.job, line.unit) == (job, unit)


def running(lasts: str, what: str = "Job a.service/start running", limit: str = "1min 30s") -> str:
    return f"\x1bM\r\n\x1b[K[\x1b[0;31m*\x1b[0m     ] (1 of 2) {what} ({lasts} / {limit})\r\n"


def test_running_job_is_shown_at_first_each_half_minute_and_at_its_limit() -> None:
    spans = ["5s", "5s", "20s", "35s", "1min 5s", "1min 29s", "1min 30s", "1min 30s", "1min 31s"]
    text = "".join(map(running, spans))

    lines = read(text)

    shown = [line.text.partition("(")[2] for line in lines]
    assert shown == [f"{s} / 1min 30s)" for s in ("5s", "35s", "1min 5s", "1min 30s")]
    assert lines[0].text == "Job a.service/start running (5s / 1min 30s)"
    assert {line.unit for line in lines} == {"a.service"}


def test_each_running_job_is_shown_and_anew_in_each_boot() -> None:
    older = running("1min", "A start job is running for b.service - B", "no limit")
    reader = ConsoleReader()

    first = reader.feed(BANNER + running("5s") + older + running("6s") + older, 1.0)
    second = reader.feed(BANNER + running("5s"), 2.0)

    assert [line.unit for line in first[1:]] == ["a.service", "b.service"]
    assert [line.unit for line in second[1:]] == ["a.service"]


def test_prompt_counts_as_a_line_once_it_stands() -> None:
    reader = ConsoleReader()
    reader.feed("x\nPress Enter for maint", 10.0)
    reader.feed("enance", 10.2)

    early = reader.pending(10.6)
    stands = reader.pending(10.7)
    again = reader.pending(11.0)

    assert (early, again) == (None, None)
    assert stands is not None
    assert (stands.text, stands.at_s) == ("Press Enter for maintenance", 10.7)


@pytest.mark.parametrize("end", ["\r\n", " \n", "[   83.266647] pull[485]: Target\n"])
def test_prompt_that_was_reported_is_not_reported_again_when_it_ends(end: str) -> None:
    reader = ConsoleReader()
    reader.feed("login: ", 1.0)
    prompt = reader.pending(2.0)

    lines = reader.feed(end, 3.0)

    assert prompt is not None
    assert "login:" not in [line.text for line in lines]
    assert reader.pending(9.0) is None


def test_line_that_was_reported_half_is_reported_whole() -> None:
    reader = ConsoleReader()
    reader.feed("Kernel pan", 1.0)
    reader.pending(2.0)

    (line,) = reader.feed("ic - not syncing\n", 3.0)

    assert line.text == "Kernel panic - not syncing"


def test_boots_are_counted_by_banners() -> None:
    reader = ConsoleReader()
    noise = "x: Linux version 6\n[   77.000000] Linux version 6\n"
    text = f"SeaBIOS\n{BANNER}{noise}{BANNER}[    9.000000] b\n"

    boots = [line.boot for line in reader.feed(text, 1.0)]

    assert boots == [1, 1, 1, 1, 2, 2]
    assert (reader.boot, reader.clock.boot) == (2, 2)


@pytest.mark.parametrize("cut", [len(BANNER) - 1, len(BANNER) - 5])
def test_banner_that_was_pending_counts_once(cut: int) -> None:
    reader = ConsoleReader()
    reader.feed(BANNER + BANNER[:cut], 1.0)
    reader.pending(2.0)

    reader.feed(BANNER[cut:] + "[    1.000000] a\n", 3.0)

    assert reader.boot == 2


def test_bare_returns_end_lines_and_blank_ones_are_left_out() -> None:
    assert [line.text for line in read("10 %\r20 %\r\r\n \n\ndone\n")] == ["10 %", "20 %", "done"]


def test_long_lines_are_cut_even_when_they_never_end() -> None:
    reader = ConsoleReader()

    (cut,) = reader.feed("x" * 9000 + "\n", 1.0)
    endless = [line for _ in range(9) for line in reader.feed("y" * 9000, 1.0)]
    after = reader.feed("z\nnext\n", 1.0)

    assert len(cut.text) == LONGEST
    assert [len(line.text) for line in endless] == [LONGEST]
    assert [line.text for line in after] == ["next"]


def test_console_sets_the_clock_of_the_guest() -> None:
    reader = ConsoleReader()

    reader.feed("[   10.000000] a\n", 30.0)
    reader.feed("[   20.000000] b\n[99999.000000] a program's\n", 38.5)

    assert reader.clock.at_s(1, 5.0, 99.0) == 23.5
