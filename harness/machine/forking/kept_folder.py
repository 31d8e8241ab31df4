"""The folder of one kept checkpoint: its lock, its removal, its size.

The lock is an flock on the folder itself. It needs no file, so a folder that can only be read can
be locked, and nothing is left when the folder goes.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_BLOCK_BYTES = 512


@contextmanager
def locked(folder: Path, mode: int) -> Iterator[None]:
    """Context manager that locks a folder itself.

    Raises:
        OSError: it is gone, or another process has the lock.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, mode | fcntl.LOCK_NB)
        # It may have been removed, and made again, between the two calls.
        if os.fstat(descriptor).st_ino != folder.stat().st_ino:
            raise FileNotFoundError(folder)
        yield
    finally:
        os.close(descriptor)


def remove(folder: Path) -> bool:
    """Remove a checkpoint unless it is in use; return whether this process did."""
    try:
        with locked(folder, fcntl.LOCK_EX):
            shutil.rmtree(folder)
    except OSError:
        return False
    return True


def used_at(folder: Path) -> float:
    """Return when a checkpoint was used last, in seconds since 1970; 0 if it is gone."""
    with suppress(OSError):
        return folder.stat().st_mtime
    return 0.0


def disk_bytes(folder: Path) -> int:
    """Return the space that a checkpoint takes on its disk."""
    found = 0
    for path in folder.rglob("*"):
        with suppress(OSError):
            found += path.lstat().st_blocks * _BLOCK_BYTES
    return found
