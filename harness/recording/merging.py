"""Writes one run's folder from those of its shards, which may be somebody else's.

They are only read, and nothing outside of them is.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from harness import regular_file
from harness.model.errors import InputError
from harness.model.record import RunRecord
from harness.model.run_folder import PROGRESS
from harness.recording.run_files import folder_of, recovered, write_all
from harness.report import merge
from harness.report.merge import Part

_COPY_BYTES = 1 << 20
# A stream of a machine is cut at 64 MiB.
_FILE_BYTES = 256 << 20


def merge_folders(folders: Sequence[Path], made: Path) -> RunRecord:
    """Write the run that the shards in `folders` are together to the new folder `made`.

    Returns its record. Killed runs count as interrupted.

    Raises:
        InputError: a folder has no shard's run, or one that is active; the shards do not belong
            together; `made` has files or cannot be written.
    """
    found = [folder_of(folder) for folder in folders]
    parts = [merge.part(str(folder), recovered(folder)) for folder in found]
    record = merge.merge(parts)
    with new_folder(made):
        for folder, part in zip(found, parts, strict=True):
            _copy_evidence(folder, part, made / part.folder)
            _add_progress(folder, part, made / PROGRESS)
        write_all(record, made)
    return record


@contextmanager
def new_folder(made: Path) -> Iterator[None]:
    """Context manager that makes the folder; it is gone if its contents are not completed.

    Raises:
        InputError: it has files, or cannot be written.
    """
    try:
        made.mkdir(parents=True, exist_ok=True)
        if any(made.iterdir()):
            raise InputError(str(made), "not empty", "Name a new folder.")
    except OSError as exc:
        raise _unwritable(made, exc) from exc
    try:
        yield
    except BaseException as exc:  # Ctrl-C, too: half a report would look like a whole one
        shutil.rmtree(made, ignore_errors=True)
        if isinstance(exc, OSError):
            raise _unwritable(made, exc) from exc
        raise


def _unwritable(made: Path, exc: OSError) -> InputError:
    problem = f"cannot be written: {exc.strerror}"
    return InputError(str(made), problem, "Name a folder in a writable place with enough space.")


def _copy_evidence(folder: Path, part: Part, made: Path) -> None:
    """Copy the files that the page links to; those that are not there stay broken links."""
    for machine in part.run.machines:
        for name in dict.fromkeys(machine.artifacts):
            try:
                source = regular_file.open_within(folder, machine.folder, name)
            except (OSError, ValueError):
                continue
            with source:
                (made / machine.folder).mkdir(parents=True, exist_ok=True)
                with (made / machine.folder / name).open("wb") as copy:
                    _copy(source, copy)


def _add_progress(folder: Path, part: Part, log: Path) -> None:
    try:
        source = regular_file.open_within(folder, PROGRESS)
    except OSError:
        return
    with source, log.open("ab") as whole:
        whole.write(f"shard {part.shard}\n".encode())
        _copy(source, whole)


def _copy(source: BinaryIO, copy: BinaryIO) -> None:
    left = _FILE_BYTES
    while left and (content := source.read(min(_COPY_BYTES, left))):
        copy.write(content)
        left -= len(content)
