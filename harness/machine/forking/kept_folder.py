"""The folder of one kept checkpoint: its removal, its last use, its size."""

from __future__ import annotations

import fcntl
import shutil
from contextlib import suppress
from pathlib import Path

from harness.folder_lock import locked

_BLOCK_BYTES = 512


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
