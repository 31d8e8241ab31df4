"""The rows of a history, read as the values of `past`: a file of others has any values."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Annotated, Any

import msgspec

from harness.model.record import Blame, Outcome
from harness.report.history.past import PastPhase, PastRun, PastTest, RunName

_Run = tuple[str, str, str, str, str]
_Test = tuple[str, str, str | None, Outcome, Blame | None, str]
Seconds = Annotated[float, msgspec.Meta(gt=-1e12, lt=1e12)]
_Phase = tuple[str, str, str, Annotated[int, msgspec.Meta(ge=0, lt=1 << 31)], str, str, Seconds]
_Package = tuple[str, str]


# `Any`: rows of the form.
def rows_of(found: Iterable[object], form: object) -> list[Any]:
    """Return the rows as `form`: SQLite takes text where a table has numbers.

    Raises:
        msgspec.ValidationError: a row has another form.
    """
    rows: list[Any] = msgspec.convert([*found], list[form])  # type: ignore[valid-type]
    return rows


def runs_of(database: sqlite3.Connection, least: float) -> tuple[PastRun, ...]:
    """Return the runs that started at `least` seconds since 1970 or later, the oldest first.

    Raises:
        msgspec.ValidationError: a value is not one of a run.
    """
    rows = database.execute(
        "SELECT id, started, node_image, bootimage, acceleration FROM runs"
        " WHERE started_at >= ? ORDER BY started_at, rowid",
        (least,),
    )
    found = rows_of(rows, _Run)
    tests, phases = _tests(database), _phases(database)
    return tuple(
        PastRun(
            name=RunName(id=run, started=started, node_image=node, bootimage=bootimage),
            acceleration=acceleration, tests=tests[run], phases=tuple(phases[run]),
        )
        for run, started, node, bootimage, acceleration in found
    )  # fmt: skip


def _tests(database: sqlite3.Connection) -> Mapping[str, dict[str, PastTest]]:
    found: defaultdict[str, dict[str, PastTest]] = defaultdict(dict)
    rows = database.execute("SELECT run, id, scenario, outcome, blame, message FROM tests")
    for run, name, scenario, outcome, blame, message in rows_of(rows, _Test):
        found[run][name] = PastTest(
            id=name, scenario=scenario, outcome=outcome, blame=blame, message=message
        )
    return found


def _phases(database: sqlite3.Connection) -> Mapping[str, list[PastPhase]]:
    found: defaultdict[str, list[PastPhase]] = defaultdict(list)
    rows = database.execute(
        "SELECT run, scenario, machine, boot, name, title, took_s FROM phases"
        " ORDER BY machine, boot, begin_s"
    )
    for run, scenario, machine, boot, name, title, took in rows_of(rows, _Phase):
        found[run].append(
            PastPhase(
                scenario=scenario, machine=machine, boot=boot, name=name, title=title, took_s=took
            )
        )
    return found


def packages_of(database: sqlite3.Connection) -> Mapping[str, tuple[str, ...]]:
    """Return the packages of each image, by its digest.

    Raises:
        msgspec.ValidationError: a value is not one of an image.
    """
    rows = rows_of(database.execute("SELECT digest, nevras FROM packages"), _Package)
    return {digest: tuple(nevras.split("\n")) for digest, nevras in rows}
