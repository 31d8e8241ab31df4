from __future__ import annotations

import io
import logging

import pytest
from images_fakes import FakeClock

from harness.images.progress import Lines, shown

MIB = 1 << 20


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_gets_a_bar_that_can_go_back() -> None:
    terminal = Terminal()

    with shown("downloading x", FakeClock(), terminal) as progress:
        progress.at(MIB, 4 * MIB)
        progress.at(0, None)
        progress.at(4 * MIB, 4 * MIB)

    assert "downloading x" in terminal.getvalue()


def test_a_pipe_gets_no_bar() -> None:
    pipe = io.StringIO()

    with shown("downloading x", FakeClock(), pipe) as progress:
        progress.at(MIB, 4 * MIB)

    assert pipe.getvalue() == ""


def test_a_line_comes_only_every_few_seconds(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    clock = FakeClock()
    progress = Lines("downloading x", clock)

    for second in range(11):
        clock.now_s = second
        progress.at(second * MIB, 20 * MIB)

    messages = [record.getMessage() for record in caplog.records]
    assert messages == ["downloading x: 5 of 20 MiB", "downloading x: 10 of 20 MiB"]


def test_an_unknown_total_is_left_out(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    clock = FakeClock()
    progress = Lines("x", clock)

    clock.sleep(9)
    progress.at(3 * MIB, None)

    assert caplog.records[0].getMessage() == "x: 3 MiB"
