"""Locks on folders themselves: an flock that needs no file, so nothing is left when a folder goes.

A folder that can only be read can be locked. A lock ends with its process, however that ends.
`machine.ownership.locks` has those that are waited for, on files.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def locked(folder: Path, mode: int) -> Iterator[None]:
    """Context manager that locks a folder by `fcntl.LOCK_SH` or `LOCK_EX`, or raises at once.

    Raises:
        BlockingIOError: another process has locked it.
        OSError: it is gone, a link, or not a folder.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, mode | fcntl.LOCK_NB)
        # It may have been removed, and made again, between the two calls.
        if os.fstat(descriptor).st_ino != folder.lstat().st_ino:
            raise FileNotFoundError(folder)
        yield
    finally:
        os.close(descriptor)
