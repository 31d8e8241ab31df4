"""The runs of this user on this host: which are alive, and the sweep of the dead ones.

A locked folder belongs to a live run and is never touched.
"""

from __future__ import annotations

import logging
import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from harness import folders, temporary
from harness.machine.ownership import remains
from harness.machine.ownership.locks import lock, try_lock
from harness.machine.ownership.processes import end_processes
from harness.model.clock import Deadline
from harness.model.errors import HarnessError, InputError

LOG = logging.getLogger(__name__)
RUN_PREFIX = "run-"
# The link in a scratch folder to its run's folder.
BACK_LINK = "run"
SCRATCH_ROOT = temporary.ROOT  # below it, a folder of our own, checked to be private
_GATE_WAIT_S = 60.0
_END_S = 10.0


def gate(runs: Path) -> BinaryIO:
    """Return the lock for making and counting runs; the caller closes it.

    Raises:
        DeadlineError: another process has had it for a minute.
    """
    return lock(runs / "gate", Deadline.after(_GATE_WAIT_S))


def sweep(runs: Path | None = None, scratch_root: Path = SCRATCH_ROOT) -> tuple[str, ...]:
    """Take down every dead run, remove temporary files without a process, and list them."""
    root = private_folder(runs or folders.runs_dir())
    dead = tuple(line for folder in _run_folders(root) if (line := _sweep_one(root, folder)))
    files = (line for base in (scratch_root, root) for line in _sweep_temporary(base))
    swept = (*dead, *_sweep_scratch(scratch_root), *files)
    for line in swept:
        LOG.info("swept %s", line)
    return swept


def live_runs(runs: Path) -> tuple[Path, ...]:
    """Return the folders of live runs, the caller's own included."""
    return tuple(folder for folder in _run_folders(runs) if not _is_dead(folder))


def private_folder(folder: Path) -> Path:
    """Return `folder`; raises if another user can write to it."""
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise InputError(
            str(folder), "not a folder of this user with mode 0700",
            "Remove it, or set TMPDIR to another short path.",
        )  # fmt: skip
    return folder


def scratch_prefix() -> str:
    """Return the beginning of the names of this user's scratch folders, before the run's name."""
    return f"node-image-{os.getuid()}-"


def _run_folders(root: Path) -> tuple[Path, ...]:
    return tuple(sorted(path for path in root.glob(f"{RUN_PREFIX}*") if path.is_dir()))


def _sweep_one(root: Path, folder: Path) -> str | None:
    with gate(root):
        taken = _lock_if_dead(folder)
    if taken is None:
        return None
    with taken:
        try:
            ended = remains.demolish(folder)
        except HarnessError as exc:
            LOG.warning("could not sweep %s: %s", folder, exc)
            return None
    return f"{folder} ({len(ended)} processes ended)"


def _sweep_scratch(scratch_root: Path) -> Iterator[str]:
    """Remove scratch folders without a run folder: a reboot may empty only /tmp."""
    for scratch in sorted(scratch_root.glob(f"{scratch_prefix()}{RUN_PREFIX}*")):
        link = scratch / BACK_LINK
        if scratch.lstat().st_uid != os.getuid() or not link.is_symlink() or link.exists():
            continue
        taken = _lock_if_dead(scratch)
        if taken is not None:
            with taken:
                shutil.rmtree(scratch, ignore_errors=True)
            yield f"{scratch} (its run folder is gone)"


def _sweep_temporary(root: Path) -> Iterator[str]:
    with temporary.abandoned(root) as found:
        for folder in found:
            ended = end_processes(folder, Deadline.after(_END_S))
            shutil.rmtree(folder, ignore_errors=True)
            yield f"{folder} ({len(ended)} processes ended)"


def _is_dead(folder: Path) -> bool:
    try:
        # Not made: its run may be removing the folder, which has to be empty in the end.
        taken = try_lock(folder / remains.LOCK, is_made=False)
    except FileNotFoundError:
        return True
    if taken is not None:
        taken.close()
    return taken is not None


def _lock_if_dead(folder: Path) -> BinaryIO | None:
    try:
        return try_lock(folder / remains.LOCK)
    except FileNotFoundError:
        return None  # taken down meanwhile
