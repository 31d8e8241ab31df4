"""A run and everything it owns: one private folder, held by a lock for as long as the run lives.

Whatever way a run ends, its machines end: leaving the context takes them down, the reaper does it
within seconds when the owner was killed, and the next run's sweep does it when even that failed.
A folder whose lock is held belongs to a live run and is never touched.
"""

from __future__ import annotations

import logging
import os
import secrets
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from harness import folders, process
from harness.machine.ownership import remains
from harness.machine.ownership.locks import lock, try_lock
from harness.machine.ownership.remains import DomainRecord
from harness.model.clock import Deadline
from harness.model.errors import DeadlineError, HarnessError, InputError, RigError

LOG = logging.getLogger(__name__)
_GATE_WAIT_S = 10.0
_REAPER_START_S = 20.0
_RUN_PREFIX = "run-"
_BACK_LINK = "run"
_PACKAGE_ROOT = Path(__file__).parents[3]
# Disks go here: /tmp is in memory on many systems.
_SCRATCH_ROOT = Path("/var/tmp")  # noqa: S108 - below it, a folder of our own, checked to be private


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run's place on the host. `folder` is short and for files, `scratch` is for disks."""

    folder: Path
    scratch: Path

    @property
    def id(self) -> str:
        """The name that tells this run's machines from others'."""
        return self.folder.name

    @property
    def runs(self) -> Path:
        """The folder in which all runs of this user lie."""
        return self.folder.parent

    @property
    def gate(self) -> Path:
        """The lock that guards the making and counting of runs."""
        return self.runs / "gate"

    @property
    def port_locks(self) -> Path:
        """The folder of the locks of forwarded ports."""
        return self.runs / "ports"

    @property
    def memory(self) -> Path:
        """The folder of memory reservations: a file per machine with its MiB."""
        return self.folder / "memory"

    def record_domain(self, record: DomainRecord) -> None:
        """Write down a domain that is about to exist, so that its end does not hang on this one."""
        self._record_of(record).write_text(record.to_text())

    def forget_domain(self, record: DomainRecord) -> None:
        """Drop the record of a domain that is gone."""
        self._record_of(record).unlink(missing_ok=True)

    def _record_of(self, record: DomainRecord) -> Path:
        return self.folder / remains.DOMAINS / f"{record.uuid}.json"


@contextmanager
def begin_run(runs: Path | None = None, scratch_root: Path = _SCRATCH_ROOT) -> Iterator[Run]:
    """Hold a new run; on leaving, all of its machines and folders are gone.

    Dead runs are swept first. `runs` is where run folders lie, `scratch_root` where disks do; an
    unusable `scratch_root` falls back to the run folder.

    Raises:
        InputError: the folder for runs belongs to another or is open to others.
    """
    root = _private(runs or folders.runs_dir())
    sweep(root, scratch_root)
    with ExitStack() as locks:
        folder = _claim(root, locks)
        run = Run(folder=folder, scratch=_make_scratch(folder, scratch_root, locks))
        with _reaper(run):
            yield run


def sweep(runs: Path | None = None, scratch_root: Path = _SCRATCH_ROOT) -> tuple[str, ...]:
    """Take down every dead run and return one line for each; live runs are left alone."""
    root = _private(runs or folders.runs_dir())
    dead = tuple(line for folder in _run_folders(root) if (line := _sweep_one(root, folder)))
    swept = (*dead, *_sweep_scratch(scratch_root))
    for line in swept:
        LOG.info("swept %s", line)
    return swept


def live_runs(runs: Path) -> tuple[Path, ...]:
    """Return the folders of the runs that are alive, the caller's own included."""
    return tuple(folder for folder in _run_folders(runs) if not _is_dead(folder))


def _private(folder: Path) -> Path:
    """Return `folder` after making sure that no other user can write in it."""
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise InputError(
            str(folder), "not a folder of this user's with mode 0700",
            "remove it, or set TMPDIR to another short path",
        )  # fmt: skip
    return folder


def _run_folders(root: Path) -> tuple[Path, ...]:
    return tuple(sorted(path for path in root.glob(f"{_RUN_PREFIX}*") if path.is_dir()))


def _claim(root: Path, locks: ExitStack) -> Path:
    """Make a run folder and lock it; behind the gate, so that no sweep sees it unlocked."""
    with lock(root / "gate", Deadline.after(_GATE_WAIT_S)):
        folder = root / f"{_RUN_PREFIX}{secrets.token_hex(3)}"
        folder.mkdir(mode=0o700)
        locks.enter_context(lock(folder / remains.LOCK, Deadline.after(_GATE_WAIT_S)))
        (folder / remains.DOMAINS).mkdir()
        (folder / "memory").mkdir()
        (folder / "owner").write_text(f"{os.getpid()}\n")
    return folder


def _make_scratch(folder: Path, scratch_root: Path, locks: ExitStack) -> Path:
    """Return a new private folder for disks; a link in `folder` tells where, before it exists.

    It is swept when the run folder, which a link in it tells, is gone and its own lock is free: a
    run in a container may share the one and not the other.
    """
    link = folder / remains.SCRATCH
    if os.access(scratch_root, os.W_OK | os.X_OK):
        scratch = scratch_root / f"{_scratch_prefix()}{folder.name}"
        link.symlink_to(scratch)
        scratch.mkdir(mode=0o700)
        locks.enter_context(lock(scratch / remains.LOCK, Deadline.after(_GATE_WAIT_S)))
        (scratch / _BACK_LINK).symlink_to(folder)
        return scratch
    link.mkdir()
    return link


def _scratch_prefix() -> str:
    return f"node-image-{os.getuid()}-"


def _sweep_scratch(scratch_root: Path) -> Iterator[str]:
    """Remove scratch folders whose run folder is gone: a reboot may empty /tmp alone."""
    for scratch in sorted(scratch_root.glob(f"{_scratch_prefix()}{_RUN_PREFIX}*")):
        link = scratch / _BACK_LINK
        if scratch.lstat().st_uid != os.getuid() or not link.is_symlink() or link.exists():
            continue
        held = _lock_if_dead(scratch)
        if held is not None:
            with held:
                shutil.rmtree(scratch, ignore_errors=True)
            yield f"{scratch} (its run folder is gone)"


def _is_dead(folder: Path) -> bool:
    held = _lock_if_dead(folder)
    if held is not None:
        held.close()
    return held is not None


def _lock_if_dead(folder: Path) -> BinaryIO | None:
    try:
        return try_lock(folder / remains.LOCK)
    except FileNotFoundError:
        return None  # taken down meanwhile


def _sweep_one(root: Path, folder: Path) -> str | None:
    with lock(root / "gate", Deadline.after(_GATE_WAIT_S)):
        held = _lock_if_dead(folder)
    if held is None:
        return None
    with held:
        try:
            ended = remains.demolish(folder)
        except HarnessError as exc:
            LOG.warning("could not sweep %s: %s", folder, exc)
            return None
    return f"{folder} ({len(ended)} processes ended)"


@contextmanager
def _reaper(run: Run) -> Iterator[None]:
    """Keep a reaper beside the run; leaving takes the run down, then says goodbye to it."""
    reading, writing = os.pipe()
    with open(writing, "wb", buffering=0) as pipe:  # noqa: PTH123 - a descriptor, not a path
        try:
            _start_reaper(run, reading)
        finally:
            os.close(reading)
        try:
            yield
        finally:
            # Interrupted in here, no goodbye is said, and the reaper finishes the work.
            remains.demolish(run.folder)
            pipe.write(b".")


def _start_reaper(run: Run, pipe: int) -> None:
    """Start the reaper and return once it stands on its own."""
    path = os.pathsep.join(filter(None, (str(_PACKAGE_ROOT), os.environ.get("PYTHONPATH"))))
    # -P: the working folder is the user's, who may have a folder called harness there.
    command = (sys.executable, "-P", "-m", "harness.machine.ownership.reaper", run.folder)
    log = run.folder / "reaper.log"
    with (
        log.open("wb") as out,
        process.start(
            command, env={"PYTHONPATH": path}, stdin=pipe, stdout=out.fileno(), stderr=out.fileno()
        ) as starter,
    ):
        try:
            status = starter.wait(timeout=_REAPER_START_S)
        except subprocess.TimeoutExpired as exc:
            raise DeadlineError("the reaper", _REAPER_START_S, "it is still starting") from exc
    if status != 0:
        raise RigError(f"the reaper did not start: {log.read_text(errors='replace').strip()}")
