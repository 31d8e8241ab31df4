from __future__ import annotations

import logging
from pathlib import Path

import pytest
from machine_fakes import FakeClock

from harness.images.acquire.progress import folder_bytes, transfer_progress

MIB = 1 << 20


def reported_of(*positions: tuple[float, float], total_mib: int | None = 900) -> list[str]:
    """Return the lines about a transfer with these `positions` (seconds, MiB)."""
    clock = FakeClock()
    reported: list[str] = []
    total_bytes = None if total_mib is None else total_mib * MIB
    with transfer_progress("downloading x", clock, reported.append) as progress:
        for at_s, done_mib in positions:
            clock.now = at_s
            progress.at(int(done_mib * MIB), total_bytes)
    return reported


def test_long_transfer_gets_a_line_every_ten_seconds_and_one_at_its_end() -> None:
    reported = reported_of(*((second, second * 12) for second in range(26)))

    assert reported == [
        "downloading x: 120 of 900 MiB (12 MiB/s)",
        "downloading x: 240 of 900 MiB (12 MiB/s)",
        "downloading x: 300 MiB in 25 s (12 MiB/s)",
    ]


def test_short_transfer_is_not_reported() -> None:
    assert reported_of((0, 0), (5, 400), (9.9, 900)) == []


def test_lines_have_the_speed_since_the_last_one_and_the_end_has_the_mean() -> None:
    assert reported_of((0, 0), (10, 100), (20, 105), (25, 105)) == [
        "downloading x: 100 of 900 MiB (10 MiB/s)",
        "downloading x: 105 of 900 MiB (0.5 MiB/s)",
        "downloading x: 105 MiB in 25 s (4.2 MiB/s)",
    ]


def test_unknown_total_is_left_out() -> None:
    assert reported_of((0, 0), (10, 30), total_mib=None)[0] == "downloading x: 30 MiB (3.0 MiB/s)"


def test_speed_of_a_resumed_transfer_counts_only_what_came_now() -> None:
    assert reported_of((0, 500), (10, 620)) == [
        "downloading x: 620 of 900 MiB (12 MiB/s)",
        "downloading x: 620 MiB in 10 s (12 MiB/s)",
    ]


def test_transfer_that_starts_over_has_no_negative_speed() -> None:
    assert reported_of((0, 500), (11, 0), (21, 100)) == [
        "downloading x: 0 of 900 MiB (0.0 MiB/s)",
        "downloading x: 100 of 900 MiB (10 MiB/s)",
        "downloading x: 100 MiB in 21 s (4.8 MiB/s)",
    ]


def test_short_step_back_does_not_spoil_the_mean() -> None:
    assert reported_of((0, 0), (9, 90), (9.5, 80), (10, 100))[-1].endswith(
        "100 MiB in 10 s (10 MiB/s)"
    )


def test_end_of_a_failed_transfer_is_not_reported() -> None:
    clock = FakeClock()
    reported: list[str] = []

    def fail() -> None:
        with transfer_progress("downloading x", clock, reported.append) as progress:
            progress.at(MIB, None)
            clock.sleep(60)
            raise EOFError

    with pytest.raises(EOFError):
        fail()
    assert reported == []


def test_transfer_that_cannot_be_measured_is_not_reported() -> None:
    clock = FakeClock()
    reported: list[str] = []

    with transfer_progress("copying x", clock, reported.append):
        clock.sleep(60)

    assert reported == []


def test_transfer_without_a_reporter_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    clock = FakeClock()

    with transfer_progress("downloading 100%", clock) as progress:
        progress.at(0, None)
        clock.sleep(12)

    assert [record.getMessage() for record in caplog.records] == [
        "downloading 100%: 0 MiB in 12 s (0.0 MiB/s)"
    ]


def test_size_of_a_folder_is_that_of_its_files(tmp_path: Path) -> None:
    (tmp_path / "a/b").mkdir(parents=True)
    (tmp_path / "a/x").write_bytes(b"123")
    (tmp_path / "a/b/y").write_bytes(b"45")
    (tmp_path / "gone").symlink_to("nowhere")

    assert folder_bytes(tmp_path) == 5
    assert folder_bytes(tmp_path / "absent") == 0
