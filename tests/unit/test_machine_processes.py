from __future__ import annotations

import os
from pathlib import Path

import pytest
from machine_fakes import FakeClock, add_process

from harness.machine.ownership.processes import (
    end_processes,
    peak_bytes,
    processes_naming,
    read_status,
    resident_bytes,
    terminal_of,
)
from harness.model.clock import Deadline

RUN = Path("/t/run-000001")
STATUS = "Name:\tqemu\nVmPeak:\t 9999 kB\nVmHWM:\t    2048 kB\nVmRSS:\t    1024 kB\n"


def test_only_processes_with_a_path_inside_the_folder_are_found(tmp_path: Path) -> None:
    add_process(tmp_path, 11, "qemu -chardev file,path=/t/run-000001/one/console.log")
    add_process(tmp_path, 12, "qemu -chardev file,path=/t/run-000002/one/console.log")
    add_process(tmp_path, 13, "python -m harness.machine.ownership.reaper /t/run-000001")
    (tmp_path / "self").mkdir()

    assert processes_naming(RUN, tmp_path) == (11,)


def test_process_on_a_terminal_is_left_out(tmp_path: Path) -> None:
    add_process(tmp_path, 11, "tail -f /t/run-000001/one/console.log", terminal=34816)

    assert processes_naming(RUN, tmp_path) == ()


def test_the_caller_itself_is_left_out(tmp_path: Path) -> None:
    add_process(tmp_path, os.getpid(), "pytest /t/run-000001/x")

    assert processes_naming(RUN, tmp_path) == ()


def test_a_process_that_ends_meanwhile_is_left_out(tmp_path: Path) -> None:
    add_process(tmp_path, 11, "qemu /t/run-000001/x")
    (tmp_path / "11/stat").unlink()

    assert processes_naming(RUN, tmp_path) == ()


def test_terminal_is_found_behind_a_command_with_parentheses() -> None:
    assert terminal_of("7 (sh) (x)) S 1 7 7 34816 7 0") == 34816


@pytest.mark.parametrize(
    ("text", "resident", "peak"), [(STATUS, 1024 * 1024, 2048 * 1024), ("Name:\tkthreadd\n", 0, 0)]
)
def test_memory_of_a_process_is_read_in_bytes(text: str, resident: int, peak: int) -> None:
    assert resident_bytes(text) == resident
    assert peak_bytes(text) == peak


def test_status_of_a_process_that_is_gone_is_empty(tmp_path: Path) -> None:
    assert read_status(11, tmp_path) == ""


def test_ending_nothing_ends_at_once(tmp_path: Path) -> None:
    assert end_processes(tmp_path / "run-000001", Deadline.after(1, FakeClock())) == ()
