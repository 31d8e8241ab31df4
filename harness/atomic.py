"""Write small files atomically: no reader sees a part of one, not even after a kill.

Large files, such as downloads and images, have a lock and a fixed temporary name instead, so that
the next run continues what a killed one left.
"""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
# What file systems answer that have no files without a name, and old kernels.
_NAMES_ONLY = frozenset({errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL, errno.EPERM})


def write(path: Path, content: bytes, *, is_durable: bool = True) -> None:
    """Put `content` at `path` in one step. After an error, `path` is as it was.

    A durable file is whole after a loss of power too. A file that is written again and again while
    machines boot must not be: each time it would wait for a disk that the guests keep busy.

    Raises:
        OSError: the folder is missing, full or not writable.
    """
    with replacing(path) as fresh:
        descriptor, has_name = _new_file(fresh)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            if is_durable:
                # Else some file systems keep the new name, but not the content.
                os.fsync(descriptor)
            if not has_name:
                # Python follows the link only if it gets a folder, whose use the full path avoids.
                named = f"/proc/self/fd/{descriptor}"
                os.link(named, fresh, src_dir_fd=descriptor, follow_symlinks=True)
    if is_durable:
        _sync_folder(path.parent)


def _new_file(path: Path) -> tuple[int, bool]:
    """Open a new file for `path`, and return whether it has this name yet.

    One without a name is gone with a process that is killed while it writes. Source: open(2).
    """
    flags = os.O_WRONLY | os.O_CLOEXEC
    try:
        return os.open(path.parent, flags | os.O_TMPFILE, 0o666), False
    except OSError as exc:
        if exc.errno not in _NAMES_ONLY:
            raise
    return os.open(path, flags | os.O_CREAT | os.O_EXCL, 0o666), True


def is_full(error: BaseException) -> bool:
    """Return whether the disk of a file, or the user's share of it, is full."""
    return isinstance(error, OSError) and error.errno in _FULL


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Provide a free name beside `path`; the file made there replaces `path` at the end.

    After an exception, `path` is unchanged.

    Raises:
        OSError: `path` cannot be replaced.
    """
    # Not tempfile: only the owner can read its files. CI collects artifacts as another user.
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        yield fresh
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    # Some file systems cannot. Both the old and the new file are whole, whichever the name keeps.
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
