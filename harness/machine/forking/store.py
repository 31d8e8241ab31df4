"""The store of kept checkpoints: a private folder that runs share, one folder in it for each.

A checkpoint is written under a name that no reader looks at, and gets its own name when it is
whole. Who uses one shares a lock on its folder; who writes or removes one has the lock alone. The
locks end with their processes, so nothing that a killed one leaves is in the way. A folder that can
only be read can be used.

No file waits for the disk: what a loss of power leaves out, the sums find.
"""

from __future__ import annotations

import fcntl
import logging
import os
import re
import secrets
import shutil
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType, TracebackType

from harness import folders
from harness.folder_lock import locked
from harness.machine.forking.kept import Kept, OtherFormatError, key_of, read
from harness.machine.forking.kept_files import Part, write
from harness.machine.forking.kept_folder import made_at, remove, used_at
from harness.machine.forking.saved import DamagedError
from harness.machine.ownership.locks import lock
from harness.model.clock import Deadline, unix_time
from harness.model.errors import HarnessError, InputError
from harness.model.secret import Secret

LOG = logging.getLogger(__name__)
FOLDER = "checkpoints"
"""Below the cache folder of the user."""
CAP_BYTES = 20 << 30
MAX_AGE_S = 5 * 24 * 3600.0
"""The certificates of a run are valid for a week. A fork has to have some of it left."""
_NEW, _LOCK = "new-", "lock"
_LOCK_S = 60.0
_READ_S = 600.0
_NOTHING: Mapping[str, Path] = MappingProxyType({})
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_.-]+")


class Store:
    """Kept checkpoints in `root`; those in use are locked until the context ends.

    `report` gets a line for each checkpoint that is dropped.
    """

    def __init__(
        self,
        root: Path,
        report: Callable[[str], None] = LOG.info,
        *,
        cap_bytes: int = CAP_BYTES,
        max_age_s: float = MAX_AGE_S,
    ) -> None:
        self.root = root
        self._report = report
        self._cap_bytes = cap_bytes
        self._max_age_s = max_age_s
        self._locks = ExitStack()

    @classmethod
    def of_user(cls, report: Callable[[str], None] = LOG.info) -> Store:
        """Return the user's own store, which need not exist yet.

        Raises:
            InputError: the user has no home folder.
        """
        return cls(folders.cache_path() / FOLDER, report)

    def __enter__(self) -> Store:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._locks.close()

    def entries(self) -> tuple[Kept, ...]:
        """Return what is known of all checkpoints that have not expired, the newest first.

        Their files are neither read nor locked: `take` does both. One whose metadata is damaged is
        dropped; one of another format stays for the version of the harness that made it. A folder
        that others can read or write has none.
        """
        if not self._is_private():
            return ()
        found = []
        for folder in self._folders():
            try:
                with locked(folder, fcntl.LOCK_SH):
                    kept = read(folder)
            except OSError:  # another process is removing it
                continue
            except OtherFormatError:
                continue
            except DamagedError as exc:
                self._drop(folder, exc.problem)
                continue
            if not self._has_expired(kept):
                found.append(kept)
        return tuple(sorted(found, key=lambda kept: kept.made_s, reverse=True))

    def take(self, kept: Kept) -> bool:
        """Lock a checkpoint until the store closes; return whether it is there and whole.

        Every byte is read. One that is damaged is dropped.

        Raises:
            DeadlineError: it cannot be read in time.
        """
        with ExitStack() as stack:
            try:
                stack.enter_context(locked(kept.folder, fcntl.LOCK_SH))
                if read(kept.folder) != kept:
                    return False
                kept.require_whole(Deadline.after(_READ_S))
            except OSError:  # removed, or being removed
                return False
            except DamagedError as exc:
                stack.close()
                self._drop(kept.folder, exc.problem)
                return False
            with suppress(OSError):  # of a folder that can only be read
                os.utime(kept.folder)
            self._locks.enter_context(stack.pop_all())
        return True

    def keep(
        self,
        scenario: str,
        step: str,
        parts: Mapping[str, Part],
        drawn: tuple[tuple[str, Secret], ...],
        deadline: Deadline,
        services: Mapping[str, Path] = _NOTHING,
    ) -> Kept:
        """Keep a checkpoint of all machines of a scenario, by their names, and files of services.

        The machines may run meanwhile. One of the same key stays as it is. Then checkpoints that
        expired or are above the cap are removed.

        Raises:
            InputError: the folder cannot be written, is full, or is open to others; the checkpoint
                and those in use are above the cap, or an expired one in its place is in use.
            CommandError: qemu-img refuses a disk.
            DeadlineError: it is not done in time, or another process has the store's lock.
        """
        self._make_root()
        target = self._place(scenario, step, key_of({n: part.origin for n, part in parts.items()}))
        if (known := self._usable(target)) is not None:
            return known
        try:
            with self._new_folder() as fresh:
                made = write(fresh, scenario, step, parts, drawn, deadline, services)
                kept = self._named(made, target)
        except OSError as exc:
            problem = f"a checkpoint cannot be written: {exc.strerror or exc}"
            remedy = "Free disk space there, or set XDG_CACHE_HOME to another folder."
            raise InputError(str(self.root), problem, remedy) from exc
        if str(kept.folder) in self.expire() and not self._has_expired(kept):
            room = f"the {self._cap_bytes >> 20} MiB for all checkpoints"
            problem = f"no room for one more in {room}, beside those in use"
            raise InputError(str(self.root), problem, "Use --checkpoints run.")
        return kept

    def drop(self, kept: Kept, problem: str) -> None:
        """Remove a checkpoint that cannot be used, with a line why."""
        self._drop(kept.folder, problem)

    def expire(self) -> tuple[str, ...]:
        """Remove what is old, unfinished or above the cap, and not in use; return its folders.

        Nothing is removed from a folder that can only be read.
        """
        if not self.root.is_dir():
            return ()
        with suppress(OSError, HarnessError), self._gate():
            old = [folder for folder in self._folders() if self._is_old(folder)]
            gone = [path for path in (*self._unfinished(), *old) if remove(path)]
            return tuple(map(str, (*gone, *self._evicted())))
        return ()

    def clear(self) -> tuple[str, ...]:
        """Remove all checkpoints that are not in use, and what killed processes left; list them.

        Raises:
            InputError: the folder can only be read.
        """
        if not self.root.is_dir():
            return ()
        try:
            with self._gate():
                paths = (*self._folders(), *self._unfinished())
                return tuple(str(path) for path in paths if remove(path))
        except OSError as exc:
            problem = f"cannot be cleared: {exc.strerror}"
            raise InputError(str(self.root), problem, "Remove it as its owner.") from exc

    def _folders(self) -> list[Path]:
        found = self.root.glob("*/")
        return sorted(path for path in found if not path.name.startswith(_NEW))

    def _is_old(self, folder: Path) -> bool:
        try:
            return self._has_expired(read(folder))
        except OtherFormatError:
            return self._is_outside(made_at(folder))
        except DamagedError:
            return False

    def _has_expired(self, kept: Kept) -> bool:
        return self._is_outside(kept.made_s)

    def _is_outside(self, made_s: float) -> bool:
        # One from the future was made before the clock was set back: its age is not known.
        return not 0 <= unix_time() - made_s + 1 <= self._max_age_s

    def _make_root(self) -> None:
        try:
            self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as exc:
            problem = f"cannot be created: {exc.strerror}"
            remedy = "Set XDG_CACHE_HOME to a writable folder."
            raise InputError(str(self.root), problem, remedy) from exc
        if not self._is_private():
            problem = "not a folder of this user with mode 0700"
            raise InputError(str(self.root), problem, "Remove it: checkpoints have secrets.")

    def _is_private(self) -> bool:
        try:
            status = self.root.lstat()
        except OSError:
            return False
        is_mine = stat.S_ISDIR(status.st_mode) and status.st_uid == os.getuid()
        return is_mine and not status.st_mode & 0o077

    @contextmanager
    def _gate(self) -> Iterator[None]:
        """Context manager in which no other process gives names to checkpoints or removes them."""
        with lock(self.root / _LOCK, Deadline.after(_LOCK_S)):
            yield

    @contextmanager
    def _new_folder(self) -> Iterator[Path]:
        """Context manager that yields a new locked folder, and removes what is left of it."""
        with ExitStack() as stack:
            with self._gate():
                fresh = self.root / f"{_NEW}{secrets.token_hex(4)}"
                fresh.mkdir(mode=0o700)
                stack.callback(shutil.rmtree, fresh, ignore_errors=True)
                stack.enter_context(locked(fresh, fcntl.LOCK_EX))
            yield fresh

    def _place(self, scenario: str, step: str, key: str) -> Path:
        words = _NOT_IN_NAMES.sub("-", f"{scenario}-{step}")
        return self.root / f"{words}-{key[:16]}"

    def _usable(self, folder: Path) -> Kept | None:
        known = _known(folder)
        return None if known is None or self._has_expired(known) else known

    def _named(self, kept: Kept, target: Path) -> Kept:
        with self._gate():
            if (known := self._usable(target)) is not None:
                return known  # of another run, meanwhile
            remove(target)
            if target.exists():
                problem = "has expired, and another run uses it"
                raise InputError(str(target), problem, "Run again when that one is over.")
            kept.folder.rename(target)
        return replace(kept, folder=target)

    def _drop(self, folder: Path, problem: str) -> None:
        self._report(f"kept checkpoint {folder.name} is dropped: {problem}")
        try:
            with self._gate():
                remove(folder)
        except (OSError, HarnessError) as exc:
            LOG.info("%s stays: %s", folder, exc)

    def _unfinished(self) -> list[Path]:
        return sorted(self.root.glob(f"{_NEW}*"))

    def _evicted(self) -> Iterator[Path]:
        """Remove the least recently used checkpoints until the rest is within the cap."""
        known = sorted(self._folders(), key=used_at)
        excess_bytes = sum(map(folders.disk_bytes, known)) - self._cap_bytes
        for folder in known:
            if excess_bytes <= 0:
                return
            freed_bytes = folders.disk_bytes(folder)
            if remove(folder):
                excess_bytes -= freed_bytes
                yield folder


def _known(folder: Path) -> Kept | None:
    try:
        return read(folder)
    except DamagedError:
        return None
