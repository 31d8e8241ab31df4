"""Writes one run's folder from those of its shards, which may be somebody else's.

They are only read, and nothing outside of them is.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from harness import regular_file
from harness.model.errors import InputError
from harness.model.escapes import one_line
from harness.model.record import MachineRecord, RunRecord
from harness.model.run_folder import PROGRESS
from harness.recording.run_files import folder_of, recovered, write_all
from harness.report import merge
from harness.report.merge import Part

_COPY_BYTES = 1 << 20
# A stream of a machine is cut at 64 MiB, and a run of fifty machines has about 500 MiB.
_FILE_BYTES = 256 << 20
_ALL_BYTES = 16 << 30
_PROGRESS_BYTES = 16 << 20
_NAMED = 5
_LONGEST_NAME = 120
# Of the files in docs/report.md. What a web server could show as a page is not among them.
_SUFFIXES = frozenset({".txt", ".json", ".export", ".log", ".xml", ".last"})


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
        copies = Copies(made)
        for folder, part in zip(found, parts, strict=True):
            copies.add_evidence(folder, part)
            copies.add_progress(folder, part)
        record = replace(record, notes=(*record.notes, *copies.notes))
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


class Copies:
    """Copies what shards left to the new folder `made`; `notes` name what is left out.

    Names get into pages, terminals and the listings of a web server. So only those are copied that
    a run could have made. Streams of guests are copied as they are: every run has them so.
    """

    def __init__(self, made: Path) -> None:
        self._made = made
        self._left_bytes = _ALL_BYTES
        self._left_out: dict[str, list[str]] = {}

    @property
    def notes(self) -> tuple[str, ...]:
        """A line for each shard of which something is left out."""
        return tuple(
            one_line(f"{where}: left out of the evidence: {', '.join(map(_short, names[:_NAMED]))}")
            + (f" and {len(names) - _NAMED} more" if len(names) > _NAMED else "")
            for where, names in self._left_out.items()
        )

    def add_evidence(self, folder: Path, part: Part) -> None:
        """Copy the files that the page links to; those that are not there stay broken links."""
        for machine in part.run.machines:
            for name in dict.fromkeys(machine.artifacts):
                try:
                    source = regular_file.open_within(folder, machine.folder, name)
                except FileNotFoundError:
                    continue
                except (OSError, ValueError) as exc:
                    why = exc.strerror if isinstance(exc, OSError) else str(exc)
                    self._leave_out(part, machine, name, why or "unusable")
                    continue
                with source:
                    self._add(source, part, machine, name)

    def add_progress(self, folder: Path, part: Part) -> None:
        """Add the lines of the shard's progress, inert as its run wrote them."""
        try:
            source = regular_file.open_within(folder, PROGRESS)
        except OSError:
            return
        with source, (self._made / PROGRESS).open("ab") as whole:
            whole.write(f"shard {part.shard}\n".encode())
            for line in source.read(_PROGRESS_BYTES).decode(errors="replace").splitlines():
                whole.write(f"{one_line(line)}\n".encode(errors="replace"))

    def _add(self, source: BinaryIO, part: Part, machine: MachineRecord, name: str) -> None:
        size_bytes = os.fstat(source.fileno()).st_size
        if not (_is_plain(machine.folder) and _is_plain(name) and Path(name).suffix in _SUFFIXES):
            self._leave_out(part, machine, name, "no run names a file so")
        elif size_bytes > min(_FILE_BYTES, self._left_bytes):
            self._leave_out(part, machine, name, f"{size_bytes >> 20} MiB are too much")
        else:
            self._left_bytes -= size_bytes
            target = self._made / part.folder / machine.folder
            target.mkdir(parents=True, exist_ok=True)
            with (target / name).open("wb") as copy:
                _copy(source, copy, size_bytes)

    def _leave_out(self, part: Part, machine: MachineRecord, name: str, why: str) -> None:
        where = f"shard {part.shard}"
        self._left_out.setdefault(where, []).append(f"{machine.folder}/{name} ({why})")


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST_NAME else f"{text[:_LONGEST_NAME]}…"


def _is_plain(name: str) -> bool:
    return name.isprintable() and len(name) <= _LONGEST_NAME and not name.startswith((".", "-"))


def _copy(source: BinaryIO, copy: BinaryIO, left_bytes: int) -> None:
    while left_bytes and (content := source.read(min(_COPY_BYTES, left_bytes))):
        copy.write(content)
        left_bytes -= len(content)
