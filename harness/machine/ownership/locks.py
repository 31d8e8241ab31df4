"""Locks between processes: an flock on an open file, released when it is closed or its owner dies.

The file object *is* the lock. Python opens files so that no child inherits them, hence the lock
ends with this process and with nothing else.
"""

from __future__ import annotations

import fcntl
from pathlib import Path
from typing import BinaryIO

from harness.model.clock import Deadline, NotYet, wait_for


def try_lock(path: Path) -> BinaryIO | None:
    """Return the lock on `path`, None when another holds it; the caller closes it."""
    file = path.open("ab")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return None
    return file


def lock(path: Path, deadline: Deadline) -> BinaryIO:
    """Return the lock on `path` once its holder lets go; the caller closes it.

    Raises:
        DeadlineError: it was held until the deadline.
    """

    def _ask() -> BinaryIO:
        held = try_lock(path)
        if held is None:
            raise NotYet("another process holds it")
        return held

    return wait_for(f"the lock {path}", _ask, deadline, tick_s=0.05)
