"""The folder of one kept checkpoint: its removal, when it was made, and its last use."""

from __future__ import annotations

import fcntl
import shutil
from contextlib import suppress
from pathlib import Path

from harness.folder_lock import locked
from harness.machine.forking.kept import METADATA


def remove(folder: Path) -> bool:
    """Remove a checkpoint unless it is in use; return whether this process did."""
    try:
        with locked(folder, fcntl.LOCK_EX):
            shutil.rmtree(folder)
    except OSError:
        return False
    return True


def made_at(folder: Path) -> float:
    """Return when the metadata of a checkpoint was written, in seconds since 1970; 0 without."""
    with suppress(OSError):
        return (folder / METADATA).stat().st_mtime
    return 0.0


def used_at(folder: Path) -> float:
    """Return when a checkpoint was used last, in seconds since 1970; 0 if it is gone."""
    with suppress(OSError):
        return folder.stat().st_mtime
    return 0.0
