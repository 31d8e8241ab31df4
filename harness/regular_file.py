"""Reads files that others may have made: only regular ones, only up to a size, without links.

A link would lead out of a folder, a FIFO would wait for ever, and a device has no end.
"""

from __future__ import annotations

import errno
import io
import os
import stat
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO


def read(path: Path, limit_bytes: int) -> bytes:
    """Return the content of a file that the user named; links to it are followed.

    Raises:
        OSError: it cannot be read, is not a regular file, or is larger than `limit_bytes`.
    """
    with _opened(str(path), os.O_RDONLY) as file:
        return _content(file, limit_bytes)


def read_within(folder: Path, names: tuple[str, ...], limit_bytes: int) -> bytes:
    """Return the content of the file that `names` lead to from `folder`, one step each.

    Raises:
        OSError: as `read`; a name is not one of a file in its folder, or is a link.
    """
    with open_within(folder, *names) as file:
        return _content(file, limit_bytes)


def open_within(folder: Path, *names: str) -> BinaryIO:
    """Open the file that `names` lead to from `folder`; the caller closes it.

    Raises:
        OSError: as `read_within`.
    """
    *folders, last = names
    with ExitStack() as opened:
        at = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        opened.callback(os.close, at)
        for name in folders:
            at = os.open(_step(name), os.O_RDONLY | os.O_DIRECTORY | _NO_LINK, dir_fd=at)
            opened.callback(os.close, at)
        return _opened(_step(last), os.O_RDONLY | os.O_NOFOLLOW, at)


def open_raw(path: Path, *, follows_links: bool) -> io.FileIO:
    """Open the file at `path`, unbuffered; the caller closes it.

    Raises:
        OSError: it cannot be opened, is not a regular file, or is a link that may not be followed.
    """
    return io.FileIO(_descriptor(str(path), os.O_RDONLY | (0 if follows_links else os.O_NOFOLLOW)))


_NO_LINK = os.O_NOFOLLOW | os.O_CLOEXEC


def _step(name: str) -> str:
    if name in {"", ".", ".."} or "/" in name or "\0" in name:
        raise OSError(errno.EINVAL, "not the name of a file in a folder", name)
    return name


def _opened(name: str, flags: int, folder: int | None = None) -> BinaryIO:
    return os.fdopen(_descriptor(name, flags, folder), "rb")


def _descriptor(name: str, flags: int, folder: int | None = None) -> int:
    descriptor = os.open(name, flags | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "not a regular file", name)
    return descriptor


def _content(file: BinaryIO, limit_bytes: int) -> bytes:
    content = file.read(limit_bytes + 1)
    if len(content) > limit_bytes:
        raise OSError(errno.EFBIG, f"larger than {limit_bytes >> 20} MiB", file.name)
    return content
