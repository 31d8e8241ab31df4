"""A run and everything it owns: one private folder, locked while the run lives.

However a run ends, its machines end: leaving the context takes them down, the reaper does so within
seconds if the owner was killed, and the next run's sweep if that failed, too.
"""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from harness import atomic, folders, process
from harness.machine.ownership import remains
from harness.machine.ownership.locks import lock
from harness.machine.ownership.queue import Memory
from harness.machine.ownership.remains import DomainRecord
from harness.machine.ownership.sweep import (
    BACK_LINK,
    RUN_PREFIX,
    SCRATCH_ROOT,
    gate,
    private_folder,
    scratch_prefix,
    sweep,
)
from harness.model.clock import Deadline
from harness.model.errors import DeadlineError, RigError

_LOCK_WAIT_S = 10.0
_REAPER_START_S = 20.0
_PACKAGE_ROOT = Path(__file__).parents[3]


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A run on this host. `folder` has a short path and is for files, `scratch` is for disks.

    `memory` reserves memory for its machines.
    """

    folder: Path
    scratch: Path
    memory: Memory = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "memory", Memory(self.folder))

    @property
    def id(self) -> str:
        """A unique name, part of the names of its machines."""
        return self.folder.name

    @property
    def runs(self) -> Path:
        """The folder of all runs of this user."""
        return self.folder.parent

    @property
    def port_locks(self) -> Path:
        """The folder of the locks of forwarded ports."""
        return self.runs / "ports"

    def record_domain(self, record: DomainRecord) -> None:
        """Record a domain before it exists, so that others can end it if this process dies."""
        # A loss of power ends the domain too: the record need not outlast it.
        atomic.write(self._record_of(record), record.to_text().encode(), is_durable=False)

    def forget_domain(self, record: DomainRecord) -> None:
        """Drop the record of a domain that is gone."""
        self._record_of(record).unlink(missing_ok=True)

    def _record_of(self, record: DomainRecord) -> Path:
        return self.folder / remains.DOMAINS / f"{record.uuid}.json"


@contextmanager
def begin_run(runs: Path | None = None, scratch_root: Path = SCRATCH_ROOT) -> Iterator[Run]:
    """Open a new run; on leaving, all of its machines and folders are gone.

    Dead runs are swept first. Run folders are in `runs`, and disks in `scratch_root`, or in the run
    folder if that cannot be used.

    Raises:
        InputError: the folder for runs belongs to another or is open to others.
    """
    root = private_folder(runs or folders.runs_dir())
    sweep(root, scratch_root)
    with ExitStack() as locks:
        folder = _claim(root, locks)
        run = Run(folder=folder, scratch=_make_scratch(folder, scratch_root, locks))
        with _reaper(run):
            yield run


def _claim(root: Path, locks: ExitStack) -> Path:
    """Make a run folder and lock it. The gate is locked meanwhile: no sweep sees it unlocked."""
    with gate(root):
        folder = root / f"{RUN_PREFIX}{secrets.token_hex(3)}"
        folder.mkdir(mode=0o700)
        locks.enter_context(lock(folder / remains.LOCK, Deadline.after(_LOCK_WAIT_S)))
        (folder / remains.DOMAINS).mkdir()
    return folder


def _make_scratch(folder: Path, scratch_root: Path, locks: ExitStack) -> Path:
    """Return a new private folder for disks, to which a link in `folder` leads.

    It is swept if its own lock is free and the run folder, to which a link in it leads, is gone: a
    run in a container may share one and not the other.
    """
    link = folder / remains.SCRATCH
    if os.access(scratch_root, os.W_OK | os.X_OK):
        scratch = scratch_root / f"{scratch_prefix()}{folder.name}"
        link.symlink_to(scratch)
        scratch.mkdir(mode=0o700)
        locks.enter_context(lock(scratch / remains.LOCK, Deadline.after(_LOCK_WAIT_S)))
        (scratch / BACK_LINK).symlink_to(folder)
        return scratch
    link.mkdir()
    return link


@contextmanager
def _reaper(run: Run) -> Iterator[None]:
    """Start a reaper; on leaving, take the run down and dismiss the reaper."""
    reading, writing = os.pipe()
    with open(writing, "wb", buffering=0) as pipe:  # noqa: PTH123 - a descriptor, not a path
        try:
            _start_reaper(run, reading)
        finally:
            os.close(reading)
        try:
            yield
        finally:
            # Interrupted here, the reaper gets no byte and finishes the work.
            remains.demolish(run.folder)
            pipe.write(b".")


def _start_reaper(run: Run, pipe: int) -> None:
    """Start the reaper and return when it has left this process."""
    path = os.pathsep.join(filter(None, (str(_PACKAGE_ROOT), os.environ.get("PYTHONPATH"))))
    # -P: the user's working folder may have a folder called harness.
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
            reason = "still starting"
            raise DeadlineError("start of the reaper", _REAPER_START_S, reason) from exc
    if status != 0:
        problem = f"did not start: {log.read_text(errors='replace').strip()}"
        raise RigError("reaper", problem, "Check the limits of this user and the disk space.")
