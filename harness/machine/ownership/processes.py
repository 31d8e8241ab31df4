"""Processes of this user that name a folder on their command line, read from /proc.

QEMU and a registry name their run's folder. So a dead run's processes are found without trusting a
process id that another process may have.
"""

from __future__ import annotations

import os
import re
import signal
from contextlib import suppress
from pathlib import Path

from harness.model.clock import Deadline, NotYet, wait_for

PROC = Path("/proc")
_KIB = 1024


def processes_naming(folder: Path, proc: Path = PROC) -> tuple[int, ...]:
    """Return the ids of this user's processes with a path inside `folder` among their arguments.

    Except processes on a terminal (a person who reads a log) and the caller itself.
    """
    needle = os.fsencode(folder) + b"/"
    pids = (int(entry.name) for entry in proc.iterdir() if entry.name.isdecimal())
    return tuple(sorted(pid for pid in pids if _is_ours(proc / str(pid), needle)))


def _is_ours(entry: Path, needle: bytes) -> bool:
    try:
        return (
            needle in (entry / "cmdline").read_bytes()
            and entry.stat().st_uid == os.getuid()
            and int(entry.name) != os.getpid()
            and terminal_of((entry / "stat").read_text(errors="replace")) == 0
        )
    except OSError:
        return False  # it ended meanwhile


def terminal_of(stat: str) -> int:
    """Return the number of the controlling terminal in the text of /proc/PID/stat, 0 for none.

    Source: proc(5); the command in parentheses may have blanks and parentheses itself.
    """
    return int(stat.rpartition(")")[2].split()[4])


def end_processes(folder: Path, deadline: Deadline) -> tuple[int, ...]:
    """Kill the processes that name `folder`, wait for their end, and return their ids.

    Raises:
        DeadlineError: one of them still ran at the deadline.
    """
    ended: set[int] = set()

    def _kill() -> tuple[int, ...]:
        living = processes_naming(folder)
        ended.update(living)
        for pid in living:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if living:
            raise NotYet(f"still running: {', '.join(map(str, living))}")
        return tuple(sorted(ended))

    return wait_for(f"the end of the processes of {folder}", _kill, deadline, tick_s=0.05)


def resident_bytes(status: str) -> int:
    """Return the memory in use (VmRSS) from the text of /proc/PID/status, 0 if missing."""
    return _status_bytes(status, "VmRSS")


def peak_bytes(status: str) -> int:
    """Return the peak memory (VmHWM) from the text of /proc/PID/status, 0 if missing."""
    return _status_bytes(status, "VmHWM")


def read_status(pid: int, proc: Path = PROC) -> str:
    """Return the text of /proc/PID/status, empty once the process ended."""
    try:
        return (proc / str(pid) / "status").read_text()
    except OSError:
        return ""


def _status_bytes(status: str, field: str) -> int:
    found = re.search(rf"^{field}:\s+(\d+) kB$", status, re.MULTILINE)
    return int(found[1]) * _KIB if found else 0
