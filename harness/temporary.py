"""Temporary folders that `node-image clean` finds when their process was killed.

A folder is locked while its process uses it. Between making and locking it has another name, and is
empty: a sweep that removes it then makes the process begin again.
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
from harness.folder_lock import locked
from harness.model.errors import InputError

ROOT = Path("/var/tmp")  # noqa: S108 - for large files; /tmp is in memory on many systems
_NEW, _NAMED = _STATES = ("new", "tmp")


@contextmanager
def folder(root: Path = ROOT) -> Iterator[Path]:
    """Context manager that makes a private folder below `root`, and removes it at the end.

    It is below the folder of runs if `root` cannot be written.

    Raises:
        InputError: it cannot be made.
    """
    base = root if os.access(root, os.W_OK | os.X_OK) else folders.runs_dir()
    with ExitStack() as stack:
        try:
            named = _made(base, stack)
        except OSError as exc:
            problem = f"no temporary folder can be created: {exc.strerror}"
            raise InputError(str(base), problem, "Free disk space and inodes there.") from exc
        yield named


def _made(base: Path, stack: ExitStack) -> Path:
    """Return a new locked folder, which `stack` removes."""
    while True:
        fresh = Path(tempfile.mkdtemp(prefix=_prefix(_NEW), dir=base))
        named = base / fresh.name.replace(_prefix(_NEW), _prefix(_NAMED))
        with ExitStack() as partial:
            partial.callback(shutil.rmtree, fresh, ignore_errors=True)
            try:
                partial.enter_context(locked(fresh, fcntl.LOCK_EX))
                fresh.rename(named)
            except (BlockingIOError, FileNotFoundError):  # a sweep was faster
                continue
            partial.callback(shutil.rmtree, named, ignore_errors=True)
            stack.push(partial.pop_all())
            return named


@contextmanager
def abandoned(root: Path) -> Iterator[tuple[Path, ...]]:
    """Context manager that provides the folders below `root` whose processes died, locked."""
    with ExitStack() as stack:
        found = []
        for path in sorted(path for state in _STATES for path in root.glob(f"{_prefix(state)}*")):
            try:
                stack.enter_context(locked(path, fcntl.LOCK_EX))
                status = path.lstat()
            except OSError:  # in use, gone, or not a folder
                continue
            if status.st_uid == os.getuid() and stat.S_ISDIR(status.st_mode):
                found.append(path)
        yield tuple(found)


def _prefix(state: str) -> str:
    return f"node-image-{os.getuid()}-{state}-"
