"""A cache of files by digest, shared by concurrent processes.

Each key has a folder with a `lock` that is never removed, the finished `content`, and the files
that an interrupted maker left for the next one. A maker locks the key exclusively. A reader shares
the lock until the cache closes. Above the cap, the least recently used keys without a lock are
evicted.
"""

from __future__ import annotations

import fcntl
import logging
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import IO

from harness import folders
from harness.images.acquire.progress import Reporter
from harness.model.clock import Deadline, NotYet, wait_for
from harness.model.errors import InputError

LOG = logging.getLogger(__name__)
DEFAULT_CAP_BYTES = 20 << 30


class Cache:
    """Cached files, kept until the context ends; `report` gets the progress of making them."""

    def __init__(
        self, root: Path, cap_bytes: int = DEFAULT_CAP_BYTES, report: Reporter | None = None
    ) -> None:
        self.report = report
        self._root = root
        self._cap_bytes = cap_bytes
        self._locks = ExitStack()

    @classmethod
    def of_user(cls, cap_bytes: int = DEFAULT_CAP_BYTES, report: Reporter | None = None) -> Cache:
        """Return the user's cache of downloads."""
        return cls(folders.cache_dir() / "downloads", cap_bytes, report)

    def __enter__(self) -> Cache:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._locks.close()

    def get_or_make(self, key: str, make: Callable[[Path], None], deadline: Deadline) -> Path:
        """Return the content of `key`, made once by `make(path)`.

        `make` may leave files beside `path`; the next attempt continues from them.

        Raises:
            InputError: the folder cannot be written, or is full.
            DeadlineError: another process locked the key until the deadline.
            Exception: what `make` raises.
        """
        content = self._folder(key) / "content"
        is_made = False
        while True:
            with ExitStack() as stack:
                stack.enter_context(_locked(content.parent, fcntl.LOCK_SH, deadline))
                if content.exists():
                    with suppress(OSError):  # of a folder that can only be read
                        os.utime(content)
                    self._locks.enter_context(stack.pop_all())
                    if is_made:  # only then has the folder grown; to measure it takes a while
                        self.evict()
                    return content
            with _locked(content.parent, fcntl.LOCK_EX, deadline):
                if not content.exists():
                    self._make(content, make)
                    is_made = True

    def evict(self) -> None:
        """Remove the least recently used keys until the folder is within its cap."""
        keys = sorted(self._root.glob("*/"), key=_used_at)
        excess_bytes = sum(map(folders.disk_bytes, keys)) - self._cap_bytes
        for key in keys:
            if excess_bytes <= 0:
                return
            excess_bytes -= _empty_unless_locked(key)

    def _folder(self, key: str) -> Path:
        folder = self._root / key
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as exc:
            raise _unwritable(folder, exc) from exc
        return folder

    def _make(self, content: Path, make: Callable[[Path], None]) -> None:
        fresh = content.with_name("content.new")
        try:
            make(fresh)
            _sync(fresh)  # else a loss of power could leave the name without the content
            fresh.replace(content)
        except OSError as exc:
            raise _unwritable(content, exc) from exc
        finally:
            fresh.unlink(missing_ok=True)


@contextmanager
def _locked(folder: Path, mode: int, deadline: Deadline) -> Iterator[None]:
    with _lock_file(folder, mode) as file:
        wait_for(f"the lock of {folder}", lambda: _take(file.fileno(), mode), deadline)
        yield


def _lock_file(folder: Path, mode: int) -> IO[str]:
    """Open the lock; what is cached in a folder that can only be read can be used."""
    try:
        return (folder / "lock").open("a")
    except OSError as exc:
        if mode == fcntl.LOCK_SH:
            with suppress(OSError):
                return (folder / "lock").open()
        raise _unwritable(folder / "lock", exc) from exc


def _take(fd: int, mode: int) -> None:
    try:
        fcntl.flock(fd, mode | fcntl.LOCK_NB)
    except BlockingIOError as exc:
        raise NotYet("another process is making or removing it") from exc


def _sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _empty_unless_locked(key: Path) -> int:
    with _lock_file(key, fcntl.LOCK_EX) as file:
        try:
            _take(file.fileno(), fcntl.LOCK_EX)
        except NotYet:
            return 0
        freed_bytes = folders.disk_bytes(key)
        for path in _contents(key):
            LOG.debug("cache: removing %s", path)
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        return freed_bytes


def _contents(key: Path) -> list[Path]:
    return [path for path in key.iterdir() if path.name != "lock"]


def _used_at(key: Path) -> float:
    found = 0.0
    for path in key.rglob("*"):
        with suppress(FileNotFoundError):  # another process may write there
            found = max(found, path.lstat().st_mtime)
    return found


def _unwritable(path: Path, exc: OSError) -> InputError:
    free = "unknown"
    with suppress(OSError):
        free = f"{shutil.disk_usage(path.parent).free >> 20} MiB"
    problem = f"the cache cannot be written: {exc.strerror or exc} ({free} free)"
    remedy = "Free disk space, or set XDG_CACHE_HOME to another folder."
    return InputError(str(path.parent), problem, remedy)
