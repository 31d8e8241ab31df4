"""Locks between processes: an flock on an open file, released when its owner closes it or ends.

The file object *is* the lock. Children do not inherit files that Python opens, so the lock ends
with this process.
"""

from __future__ import annotations

import fcntl
from pathlib import Path
from typing import BinaryIO

from harness.model.clock import Deadline, NotYet, wait_for


def try_lock(path: Path, *, is_made: bool = True) -> BinaryIO | None:
    """Return the lock on `path`, None if another process has it; the caller closes it.

    A file that is missing is made, unless that could disturb its removal.

    Raises:
        FileNotFoundError: it is missing, and not made.
    """
    file = path.open("ab" if is_made else "rb")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return None
    return file


def lock(path: Path, deadline: Deadline) -> BinaryIO:
    """Wait for the lock on `path` and return it; the caller closes it.

    Raises:
        DeadlineError: another process had it until the deadline.
    """

    def _ask() -> BinaryIO:
        taken = try_lock(path)
        if taken is None:
            raise NotYet("another process has it")
        return taken

    return wait_for(f"the lock {path}", _ask, deadline, tick_s=0.05)
