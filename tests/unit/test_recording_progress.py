"""Lines reach the terminal of who has one, and the log that the others are followed by."""

from __future__ import annotations

from pathlib import Path

from machine_fakes import FakeClock

from harness.model.run_folder import PROGRESS
from harness.recording.progress import ProgressLog, ProgressReporter, Relay


def test_line_has_the_seconds_since_the_session_began_and_no_secret() -> None:
    clock, shown, logged = FakeClock(100.0), list[str](), list[str]()
    begun_s = clock.monotonic()
    clock.sleep(12.4)
    report = ProgressReporter(
        (shown.append, logged.append), begun_s, lambda text: text.replace("hush", "-"), clock
    )

    report("fake: logged in with hush")

    assert shown == logged == ["[  12 s] fake: logged in with -"]


def test_lines_wait_for_the_folder(tmp_path: Path) -> None:
    log = ProgressLog(tmp_path / "run")
    log.append("before the folder is made")
    (tmp_path / "run").mkdir()

    log.append("after")

    text = (tmp_path / "run" / PROGRESS).read_text()
    assert text == "before the folder is made\nafter\n"


def test_log_that_cannot_be_written_stops_nobody(tmp_path: Path) -> None:
    (tmp_path / PROGRESS).mkdir()

    ProgressLog(tmp_path).append("lost")

    assert list((tmp_path / PROGRESS).iterdir()) == []


def test_waiting_lines_are_written_when_the_folder_is_made(tmp_path: Path) -> None:
    log = ProgressLog(tmp_path / "run")
    log.append("the last one")
    log.flush()
    (tmp_path / "run").mkdir()

    log.flush()
    log.flush()

    assert (tmp_path / "run" / PROGRESS).read_text() == "the last one\n"


def test_relay_gives_whole_lines_once(tmp_path: Path) -> None:
    path = tmp_path / "relay"
    worker, controller = Relay(path), Relay(path)
    assert controller.new_lines() == ()

    worker.append("one")
    worker.append("two of caf\udce9")
    assert controller.new_lines() == ("one", "two of caf?")

    with path.open("a") as file:
        file.write("a line that is not")
    assert controller.new_lines() == ()
    with path.open("a") as file:
        file.write(" over\n")
    assert controller.new_lines() == ("a line that is not over",)
    assert controller.new_lines() == ()
