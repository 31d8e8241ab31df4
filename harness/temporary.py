"""Temporary folders that `node-image clean` finds when their process was killed.

A folder is locked while its process uses it. The lock is taken before the folder gets the name that
the sweep looks for.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from harness import folders

ROOT = Path("/var/tmp")  # noqa: S108 - for large files; /tmp is in memory on many systems


@contextmanager
def folder(root: Path = ROOT) -> Iterator[Path]:
    """Context manager that makes a private folder below `root`, and removes it at the end.

    It is below the folder of runs if `root` cannot be written.

    Raises:
        OSError: the disk is full.
    """
    base = root if os.access(root, os.W_OK | os.X_OK) else folders.runs_dir()
    with ExitStack() as stack:
        fresh = Path(tempfile.mkdtemp(prefix=_prefix("new"), dir=base))
        stack.callback(shutil.rmtree, fresh, ignore_errors=True)
        stack.enter_context(_locked(fresh))
        named = base / fresh.name.replace(_prefix("new"), _prefix("tmp"))
        fresh.rename(named)
        stack.callback(shutil.rmtree, named, ignore_errors=True)
        yield named


@contextmanager
def abandoned(root: Path) -> Iterator[tuple[Path, ...]]:
    """Context manager that provides the folders below `root` whose processes died, locked."""
    with ExitStack() as stack:
        found = []
        for path in sorted(root.glob(f"{_prefix('tmp')}*")):
            try:
                stack.enter_context(_locked(path))
            except OSError:  # in use, gone, or not a folder
                continue
            if path.lstat().st_uid == os.getuid() and stat.S_ISDIR(path.lstat().st_mode):
                found.append(path)
        yield tuple(found)


def _prefix(state: str) -> str:
    return f"node-image-{os.getuid()}-{state}-"


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(descriptor)
