"""What is awaited is reported when nothing else is."""

from __future__ import annotations

import threading

from machine_fakes import FakeClock

from harness.waiting import WaitReporter


def test_silent_wait_is_reported_every_ten_seconds() -> None:
    clock, lines = FakeClock(), list[str]()
    report = WaitReporter(lines.append, clock)

    with report.awaiting("looking at the node image"):
        for _ in range(25):
            clock.sleep(1)
            report.remind()

    assert lines == [
        "looking at the node image (10 s so far)",
        "looking at the node image (20 s so far)",
    ]


def test_wait_that_reports_by_itself_is_not_repeated() -> None:
    clock, lines = FakeClock(), list[str]()
    report = WaitReporter(lines.append, clock)

    with report.awaiting("copying"):
        for _ in range(5):
            clock.sleep(9)
            report("copying: a part more")
            report.remind()

    assert lines == ["copying: a part more"] * 5


def test_what_is_awaited_may_change() -> None:
    clock, lines, phases = FakeClock(), list[str](), ["kernel"]
    report = WaitReporter(lines.append, clock)

    with report.awaiting(lambda: f"waiting for a login; now {phases[-1]}"):
        for phase in ("initramfs", "services"):
            clock.sleep(10)
            report.remind()
            phases.append(phase)

    assert lines == [
        "waiting for a login; now kernel (10 s so far)",
        "waiting for a login; now initramfs (20 s so far)",
    ]


def test_seconds_are_those_of_the_stage() -> None:
    clock, lines, now = FakeClock(), list[str](), ["stand-in: kubelet: 1 of 9 packages"]
    report = WaitReporter(lines.append, clock)

    with report.awaiting(lambda: now[-1]):
        for text in ("stand-in: kubelet: 8 of 9 packages", "stand-in: live media"):
            for _ in range(12):
                clock.sleep(1)
                report.remind()
            now.append(text)
        for _ in range(10):
            clock.sleep(1)
            report.remind()

    assert lines == [
        "stand-in: kubelet: 1 of 9 packages (10 s so far)",
        "stand-in: kubelet: 8 of 9 packages (20 s so far)",
        "stand-in: live media (5 s so far)",
    ]


def test_innermost_wait_is_reported_and_the_outer_one_after_it() -> None:
    clock, lines = FakeClock(), list[str]()
    report = WaitReporter(lines.append, clock)

    with report.awaiting("the check"):
        with report.awaiting("the download"):
            clock.sleep(10)
            report.remind()
        clock.sleep(10)
        report.remind()

    assert lines == ["the download (10 s so far)", "the check (20 s so far)"]


def test_no_line_comes_after_the_wait_and_no_thread_stays() -> None:
    clock, lines = FakeClock(), list[str]()
    report = WaitReporter(lines.append, clock)
    before = threading.active_count()

    with report.awaiting("the check"):
        assert threading.active_count() == before + 1
    clock.sleep(60)
    report.remind()

    assert lines == []
    assert threading.active_count() == before


def test_reporter_is_not_wrapped_twice() -> None:
    report = WaitReporter(print)

    assert WaitReporter.of(report) is report
