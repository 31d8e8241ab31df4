"""Files with a guest's memory: one without a name while it runs, and a copy that others start from.

A file without a name needs no space on a disk, counts like a process's memory, and is gone with the
last process that has it open, however that ends.
Source: memfd_create(2), lseek(2) for holes.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from harness.model.clock import Deadline
from harness.model.errors import DeadlineError

_MIB = 1 << 20
_CHUNK_BYTES = 64 * _MIB


@contextmanager
def nameless(memory_mib: int) -> Iterator[Path]:
    """Context manager that yields a path by which QEMU opens a new file of so many MiB."""
    fd = os.memfd_create("node-image-ram")
    try:
        os.truncate(fd, memory_mib * _MIB)
        yield Path(f"/proc/{os.getpid()}/fd/{fd}")
    finally:
        os.close(fd)


def copy_sparse(source: Path, target: Path, deadline: Deadline) -> None:
    """Copy `source` to the new private file `target`, without its holes.

    Raises:
        OSError: no space is left, among others.
        DeadlineError: it is not done in time; a part of `target` is there.
    """
    with source.open("rb") as given, new_file(target) as new:
        size = os.fstat(given.fileno()).st_size
        new.truncate(size)
        for start, end in _extents(given.fileno(), size):
            for copied_bytes in _copied(given.fileno(), new.fileno(), start, end):
                if deadline.is_over:
                    reason = f"{copied_bytes} of {size} B done"
                    raise DeadlineError(f"copy of {source}", deadline.limit_s, reason)


def new_file(path: Path) -> BinaryIO:
    """Open a new file that only this user can read; the caller closes it."""
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")


def _extents(fd: int, size: int) -> Iterator[tuple[int, int]]:
    """Yield where the parts that are not holes start and end."""
    end = 0
    while end < size:
        try:
            start = os.lseek(fd, end, os.SEEK_DATA)
        except OSError as exc:
            if exc.errno == errno.ENXIO:
                return  # a hole up to the end
            raise
        end = os.lseek(fd, start, os.SEEK_HOLE)
        yield start, end


def _copied(source: int, target: int, start: int, end: int) -> Iterator[int]:
    """Copy a part of a file, and yield its end so far after each chunk."""
    os.lseek(target, start, os.SEEK_SET)
    while start < end:
        sent = os.sendfile(target, source, start, min(_CHUNK_BYTES, end - start))
        if not sent:
            raise OSError(errno.EIO, "was cut while it was copied")
        start += sent
        yield start
