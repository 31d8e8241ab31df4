"""Lines reach the terminal of who has one, and the log that the others are followed by."""

from __future__ import annotations

from pathlib import Path

from machine_fakes import FakeClock

from harness.model.run_folder import PROGRESS
from harness.recording.progress import Follower, ProgressLog, ProgressReporter


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


def test_follower_gives_whole_lines_once(tmp_path: Path) -> None:
    follower, log = Follower(tmp_path), ProgressLog(tmp_path)
    assert follower.new_lines() == ()

    log.append("one")
    log.append("two of caf\udce9")
    assert follower.new_lines() == ("one", "two of caf?")

    with (tmp_path / PROGRESS).open("a") as file:
        file.write("a line that is not")
    assert follower.new_lines() == ()
    with (tmp_path / PROGRESS).open("a") as file:
        file.write(" over\n")
    assert follower.new_lines() == ("a line that is not over",)
    assert follower.new_lines() == ()
