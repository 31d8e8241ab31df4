"""Reads the records of a run's machines, and writes its record, JUnit file and page."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path, PurePosixPath

from harness import atomic, full_folder, regular_file
from harness.model.clock import SYSTEM_CLOCK, Clock
from harness.model.errors import InputError
from harness.model.record import MachineRecord, RunRecord, State, Weight
from harness.model.run_folder import CONSOLE, JUNIT, MACHINE_RECORD, PAGE, RECORD
from harness.recording.artifacts import is_in_use, read_tested

LOG = logging.getLogger(__name__)
_CONSOLE_BYTES = 1 << 20
_WRITE_EVERY_S = 2.0
# Writing takes no more than this part of the run's time, however large the report.
_WRITE_SHARE = 0.02


def write_all(record: RunRecord, folder: Path) -> None:
    """Write a run's record, JUnit file and page; each whole, the record first.

    Those of a run that is over are whole after a loss of power too.

    Raises:
        OSError: the folder is missing, full or not ours.
    """
    from harness.report import document, junit, page

    record = document.writable(record)
    document.write(record, folder / RECORD)
    junit.write(record, folder / JUNIT)
    text = page.render(record, _excerpts(record, folder))
    is_over = record.state is not State.RUNNING
    atomic.write(folder / PAGE, text.encode(errors="replace"), is_durable=is_over)


class RunFiles:
    """Reads the machines' records and writes the run's, not too often; keeps its first problem.

    `warn` gets, once, what the user has to know at once: that the disk is full.
    """

    def __init__(
        self,
        folder: Path,
        write: Callable[[RunRecord, Path], None] = write_all,
        clock: Clock = SYSTEM_CLOCK,
        warn: Callable[[str], None] = LOG.error,
    ) -> None:
        self._folder = folder
        self._warn = warn
        self._write_all = write
        self._clock = clock
        self._next_s = 0.0
        self._written: RunRecord | None = None
        self._machines: dict[Path, tuple[tuple[int, int], MachineRecord]] = {}
        self.problem = ""

    @contextmanager
    def noting_problem(self, what: str) -> Iterator[None]:
        """Catch every exception: log the first as a warning, and keep it as `problem`."""
        try:
            yield
        except Exception as exc:
            # The same exception comes at every turn.
            LOG.log(logging.DEBUG if self.problem else logging.WARNING, "%s", what, exc_info=True)
            if text := full_folder.noticed(exc, self._folder):
                self._warn(text)
            if not atomic.is_full(exc):
                self.problem = self.problem or f"{what}: {exc}"

    def is_due(self) -> bool:
        """Whether the last writing was long enough ago."""
        return self._clock.monotonic() >= self._next_s

    def machines(self) -> tuple[MachineRecord, ...]:
        """Return the machines' records in the order of their start, less the unreadable ones."""
        for path in self._folder.glob(f"*/{MACHINE_RECORD}"):
            with self.noting_problem(f"{path} cannot be read"):
                self._read(path)
        found = (record for _, record in self._machines.values())
        return tuple(sorted(found, key=lambda record: (record.started, record.name)))

    def write(self, record: RunRecord) -> None:
        """Write all three files, if anything is new.

        Raises:
            Exception: whatever keeps one of them from being written.
        """
        began_s = self._clock.monotonic()
        self._next_s = began_s + _WRITE_EVERY_S
        if record == self._written:
            return
        self._write_all(record, self._folder)
        self._written = record
        took_s = self._clock.monotonic() - began_s
        self._next_s = began_s + max(_WRITE_EVERY_S, took_s / _WRITE_SHARE)

    def _read(self, path: Path) -> None:
        from harness.report import document

        with regular_file.open_within(self._folder, path.parent.name, path.name) as file:
            found = os.fstat(file.fileno())
            version = (found.st_ino, found.st_mtime_ns)  # a new file each time it is written
            known = self._machines.get(path)
            if known is None or known[0] != version:
                self._machines[path] = version, document.machine_in(file, path)


def rebuild(folder: Path) -> RunRecord:
    """Write the files of a run again from what it left, and return its record.

    Raises:
        InputError: the folder contains no run, or the run is still running.
    """
    record = recovered(folder)
    try:
        write_all(record, folder)
    except OSError as exc:
        problem = f"cannot be written: {exc.strerror}"
        raise InputError(str(folder), problem, "Name a writable copy of the folder.") from exc
    return record


def recovered(folder: Path) -> RunRecord:
    """Return the record of a run that is over, as `read_run` does.

    Raises:
        InputError: the folder contains no run, or the run is still running.
    """
    record = read_run(folder)
    if record.state is State.RUNNING:
        remedy = "Wait for its end; the run writes its page itself."
        raise InputError(str(folder), "the run is still active", remedy)
    return record


def read_run(path: Path) -> RunRecord:
    """Return the record of the run in the folder `path`, or in a file; only read them.

    A killed run counts as interrupted, with what its machines wrote last. Without a record of its
    own it is made from the records of its machines. An active run is as it was written last.

    Raises:
        InputError: there is no run.
    """
    from harness.report import document

    if not _is_folder(path) and path.name != RECORD:
        return document.read(path)
    folder = folder_of(path)
    files = RunFiles(folder)
    is_there = _exists(folder / RECORD) and not document.is_cut(folder / RECORD)
    record = _recorded(folder) if is_there else _unrecorded(folder, files)
    if record.state is not State.RUNNING or _is_active(folder):
        return record
    machines = tuple(map(ended, files.machines())) or record.machines
    return replace(record, state=State.INTERRUPTED, machines=machines)


def _is_active(folder: Path) -> bool:
    from harness.report.document import RUN_FOLDER

    try:
        return is_in_use(folder)
    except OSError as exc:
        raise InputError(str(folder), f"cannot be read: {exc.strerror}", RUN_FOLDER) from exc


def _exists(path: Path) -> bool:
    return path.exists() or path.is_symlink()


def _recorded(folder: Path) -> RunRecord:
    from harness.report import document

    if (folder / RECORD).is_symlink():
        problem = f"its {RECORD} is a link, as no run leaves it"
        raise InputError(str(folder), problem, document.RUN_FOLDER)
    return document.read(folder)


def folder_of(path: Path) -> Path:
    """Return the folder of a run that was named by itself or by its `report.json`.

    Raises:
        InputError: it is neither.
    """
    from harness.report.document import RUN_FOLDER

    if _is_folder(path):
        return path
    if path.is_file() and path.name == RECORD:
        return path.parent
    problem = f"not a folder and not a {RECORD}" if path.exists() else "no such folder"
    raise InputError(str(path), problem, RUN_FOLDER)


def _is_folder(path: Path) -> bool:
    from harness.report.document import RUN_FOLDER

    try:
        return path.is_dir()
    except OSError as exc:  # too long a name, or a folder that may not be searched
        raise InputError(str(path), f"cannot be read: {exc.strerror}", RUN_FOLDER) from exc


def _unrecorded(folder: Path, files: RunFiles) -> RunRecord:
    """Return a record made from the machines of a run that was killed before it wrote its own."""
    from harness.report.document import RUN_FOLDER

    machines = files.machines()
    if not machines:
        problem = f"no whole {RECORD}, and no record of a machine to make one from"
        raise InputError(str(folder), problem, RUN_FOLDER)
    tested = read_tested(folder)
    return RunRecord(
        id=folder.resolve().name,
        started=machines[0].started,
        subject=tested.subject,
        host=tested.host,
        machines=machines,
        notes=(f"the run left no whole {RECORD}: its tests are not known",),
    )


def ended(machine: MachineRecord) -> MachineRecord:
    """Return the record of a machine whose run is over."""
    is_open = machine.state in (State.RUNNING, State.UP)
    return replace(machine, state=State.INTERRUPTED) if is_open else machine


def _excerpts(record: RunRecord, folder: Path) -> dict[str, tuple[str, ...]]:
    """Return the console's decisive lines of the machines that failed."""
    from harness.report.page import console_excerpt

    found = {}
    for machine in record.machines:
        if machine.state is State.FAILED and (text := _tail(folder, machine.folder)):
            found[machine.name] = console_excerpt(text, _decisive_line(machine))
    return found


def _decisive_line(machine: MachineRecord) -> str:
    fatal = (sighting for sighting in machine.sightings if sighting.weight is Weight.FATAL)
    return next((line.text for sighting in fatal for line in sighting.lines), "")


def _tail(folder: Path, machine_folder: str) -> str:
    """Return the end of a machine's console; nothing if it is not a file below the run's folder.

    The record may be somebody else's, and name any path.
    """
    try:
        if not (steps := PurePosixPath(machine_folder).parts):
            return ""
        with regular_file.open_within(folder, *steps, CONSOLE) as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - _CONSOLE_BYTES))
            return file.read(_CONSOLE_BYTES).decode(errors="replace")
    except OSError as exc:
        LOG.debug("no console of %r: %s", machine_folder, exc)
        return ""
