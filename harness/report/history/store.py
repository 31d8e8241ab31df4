"""The file of a history: SQLite, one transaction for each run.

It has the values of `past.py`, not the evidence; `past_rows.py` reads them back. Two runs may
append at once, a killed run leaves the file as it was, and a file of another program is never
written to.

Source: https://www.sqlite.org/wal.html, https://www.sqlite.org/pragma.html
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from harness import regular_file
from harness.model.errors import InputError
from harness.model.record import RunRecord
from harness.report.compare import took_s
from harness.report.history.past import History
from harness.report.history.past_rows import packages_of, runs_of

VERSION = 1
"""The version of the tables; a newer file is refused, an older one will be brought up to it."""

# In the header of our files, to recognise another program's database: "nimg".
_APPLICATION = 0x6E696D67
_LOCKED_S = 30.0
_DIGEST = re.compile(r"(?:sha256:)?[0-9a-f]{64}")
_TABLES = (
    """CREATE TABLE runs (
        id TEXT PRIMARY KEY, started TEXT NOT NULL, started_at REAL NOT NULL, ended TEXT NOT NULL,
        state TEXT NOT NULL, exit_code INTEGER, acceleration TEXT NOT NULL,
        node_image TEXT NOT NULL, bootimage TEXT NOT NULL)""",
    """CREATE TABLE subject (
        run TEXT NOT NULL REFERENCES runs ON DELETE CASCADE, name TEXT NOT NULL,
        value TEXT NOT NULL, PRIMARY KEY (run, name)) WITHOUT ROWID""",
    """CREATE TABLE tests (
        run TEXT NOT NULL REFERENCES runs ON DELETE CASCADE, id TEXT NOT NULL, scenario TEXT,
        outcome TEXT NOT NULL, blame TEXT, duration_s REAL NOT NULL, attempts INTEGER NOT NULL,
        message TEXT NOT NULL, PRIMARY KEY (run, id)) WITHOUT ROWID""",
    """CREATE TABLE phases (
        run TEXT NOT NULL REFERENCES runs ON DELETE CASCADE, scenario TEXT NOT NULL,
        machine TEXT NOT NULL, boot INTEGER NOT NULL, name TEXT NOT NULL, title TEXT NOT NULL,
        begin_s REAL NOT NULL, took_s REAL NOT NULL,
        PRIMARY KEY (run, machine, boot, name)) WITHOUT ROWID""",
    "CREATE TABLE packages (digest TEXT PRIMARY KEY, nevras TEXT NOT NULL) WITHOUT ROWID",
)


def append(path: Path, record: RunRecord) -> None:
    """Add a run to the history at `path`, which is made if it is not there.

    A run that is there already is replaced, so that appending twice changes nothing. Blocks up to
    30 s while other runs append.

    Raises:
        InputError: the file is not a history, of a newer version, or cannot be written; the start
            of the run is no date.
    """
    started_at = _seconds(record.started, f"run {record.id}")
    with _opened(path, "rwc") as database:
        _require_ours(path, database)
        # Another run may be switching the file at this moment; it then is switched for both.
        with suppress(sqlite3.OperationalError):
            database.execute("PRAGMA journal_mode = WAL")
        with _transaction(database):
            _require_ours(path, database)
            _make_tables(database)
            _write(database, record, started_at)


def read(path: Path, since: str = "") -> History:
    """Return the history at `path`, of the runs that started at or after `since` (ISO 8601, UTC).

    Raises:
        InputError: the file is missing, not a history, of a newer version; `since` is no date.
    """
    least = _seconds(since, "--since") if since else float("-inf")
    if not regular_file.is_there(path):
        raise InputError(str(path), "no such file", "Name the file of `pytest --history`.")
    with _opened(path, "rw") as database:
        _require_ours(path, database)
        if not _version(database):
            return History(runs=(), packages={})
        database.execute("BEGIN")  # one state of the file, though a run is appended meanwhile
        return History(runs=runs_of(database, least), packages=packages_of(database))


@contextmanager
def reading(path: Path) -> Iterator[sqlite3.Connection | None]:
    """Open the history at `path` for queries; yields None if it has no runs yet.

    Raises:
        InputError: the file is not a history, or of a newer version.
    """
    if not regular_file.is_there(path):
        yield None
        return
    with _opened(path, "rw") as database:
        _require_ours(path, database)
        yield database if _version(database) else None


@contextmanager
def _opened(path: Path, mode: str) -> Iterator[sqlite3.Connection]:
    """Open the database; an error of SQLite, or a value of no history, becomes one of the file."""
    _require_regular(path)
    try:
        uri = f"{path.absolute().as_uri()}?mode={mode}"
        database = sqlite3.connect(uri, timeout=_LOCKED_S, isolation_level=None, uri=True)
        with closing(database):
            database.execute("PRAGMA foreign_keys = ON")
            yield database
    except (sqlite3.Error, UnicodeDecodeError) as exc:  # its words quote a damaged schema
        raise InputError(
            str(path), f"cannot be used as a history: {exc}",
            "Name a history or a new file, in a writable folder.",
        ) from exc  # fmt: skip
    except msgspec.ValidationError as exc:
        problem = f"a history with other values than a run has: {exc}"
        raise InputError(
            str(path), problem, "Update pytest-node-image, or name another file."
        ) from exc


def _require_regular(path: Path) -> None:
    """Require that what SQLite opens, if it is there, are files: it would wait for a FIFO."""
    for beside in ("", "-journal", "-wal", "-shm"):
        each = path.with_name(f"{path.name}{beside}")
        try:
            regular_file.require(each)
        except FileNotFoundError:
            continue
        except OSError as exc:
            problem = f"cannot be used as a history: {exc.strerror}"
            remedy = "Name a history or a new file, in a writable folder."
            raise InputError(str(each), problem, remedy) from exc


@contextmanager
def _transaction(database: sqlite3.Connection) -> Iterator[None]:
    """Hold the right to write; what was written counts only if nothing is raised."""
    database.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        database.execute("ROLLBACK")
        raise
    database.execute("COMMIT")


def _require_ours(path: Path, database: sqlite3.Connection) -> None:
    # In this order: another run may make the tables and set the application between the two.
    (tables,) = database.execute("SELECT count(*) FROM sqlite_master").fetchone()
    (application,) = database.execute("PRAGMA application_id").fetchone()
    if tables and application != _APPLICATION:
        raise InputError(str(path), "the database of another program", "Name another file.")
    if (version := _version(database)) > VERSION:
        problem = f"a history of version {version}; this program reads up to {VERSION}"
        raise InputError(str(path), problem, "Update pytest-node-image, or name another file.")
    if tables and _statements(database) != {*_TABLES}:
        # A view or a computed column of others could be endless, or larger than the memory.
        problem = "a history with other tables than this program makes"
        raise InputError(str(path), problem, "Name another file.")


def _statements(database: sqlite3.Connection) -> set[str]:
    """Return what makes the tables, less the indexes of their keys, which have no statement."""
    rows = database.execute("SELECT DISTINCT sql FROM sqlite_master WHERE sql IS NOT NULL")
    return {str(sql) for (sql,) in rows}


def _version(database: sqlite3.Connection) -> int:
    return int(database.execute("PRAGMA user_version").fetchone()[0])


def _make_tables(database: sqlite3.Connection) -> None:
    if _version(database) == VERSION:
        return
    for statement in _TABLES:
        database.execute(statement)
    database.execute(f"PRAGMA application_id = {_APPLICATION}")
    database.execute(f"PRAGMA user_version = {VERSION}")


def _write(database: sqlite3.Connection, record: RunRecord, started_at: float) -> None:
    run, subject = record.id, record.subject
    row = (
        run, record.started, started_at, record.ended, record.state, record.exit_code,
        subject.get("acceleration", ""), _node_image(subject), _bootimage(subject),
    )  # fmt: skip
    database.execute("DELETE FROM runs WHERE id = ?", (run,))
    for statement, rows in (
        ("INSERT INTO runs VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", (row,)),
        ("INSERT INTO subject VALUES (?, ?, ?)", ((run, *item) for item in subject.items())),
        ("INSERT OR REPLACE INTO tests VALUES (?, ?, ?, ?, ?, ?, ?, ?)", _test_rows(record)),
        ("INSERT OR REPLACE INTO phases VALUES (?, ?, ?, ?, ?, ?, ?, ?)", _phase_rows(record)),
        ("INSERT OR IGNORE INTO packages VALUES (?, ?)", _package_rows(record)),
    ):
        database.executemany(statement, map(_storable, rows))


def _storable(row: Iterable[object]) -> tuple[object, ...]:
    """Mark the halves of surrogate pairs, as file names that are not UTF-8 hold them."""
    return tuple(v.encode(errors="replace").decode() if isinstance(v, str) else v for v in row)


def _test_rows(record: RunRecord) -> Iterator[tuple[object, ...]]:
    for test in record.tests:
        yield (
            record.id, test.id, test.scenario, test.outcome, test.blame, test.duration_s,
            test.attempts, test.message.partition("\n")[0],
        )  # fmt: skip


def _phase_rows(record: RunRecord) -> Iterator[tuple[object, ...]]:
    for machine in record.machines:
        for phase in machine.phases:
            if (took := took_s(phase)) is not None:
                key = (machine.scenario, machine.name, phase.boot, phase.name)
                yield (record.id, *key, phase.title, phase.begin_s, took)


def _package_rows(record: RunRecord) -> Iterator[tuple[str, str]]:
    """Give each image's packages, if it has a digest and a machine came to show them."""
    node_image, bootimage = _node_image(record.subject), _bootimage(record.subject)
    for machine in record.machines:
        for digest, layer in ((node_image, machine.after), (bootimage, machine.before)):
            if layer and layer.packages and _DIGEST.fullmatch(digest):
                yield digest, "\n".join(layer.packages)


def _node_image(subject: Mapping[str, str]) -> str:
    return _digest_or_name(subject, "node_image_digest", "node_image")


def _bootimage(subject: Mapping[str, str]) -> str:
    return _digest_or_name(subject, "bootimage_sha256", "bootimage")


def _digest_or_name(subject: Mapping[str, str], digest: str, name: str) -> str:
    value = subject.get(digest, "")
    return value if _DIGEST.fullmatch(value) else subject.get(name, "")


def _seconds(text: str, subject: str) -> float:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as exc:
        raise InputError(subject, f"{text!r} is not a date", "Write it as 2026-11-23.") from exc
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
