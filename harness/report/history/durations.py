"""How long things usually take, by the last runs of a history."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path
from statistics import median

from harness.report.history.past_rows import Seconds, rows_of
from harness.report.history.store import reading

_LAST_PHASE = "snapshot"
_USUAL_RUNS = 9


def usual_s(path: Path, scenario: str, acceleration: str) -> float | None:
    """Return how long a scenario usually takes from power-on to its snapshot, None if unknown.

    That is the median of the last runs with the same acceleration; a machine that was switched on
    before the judged one is not counted.

    Raises:
        InputError: the file is not a history, or of a newer version.
    """
    with reading(path) as database:
        if database is None:
            return None
        rows = database.execute(
            "SELECT begin_s + took_s FROM phases JOIN runs ON runs.id = phases.run"
            " WHERE name = ? AND scenario = ? AND acceleration = ?"
            " ORDER BY started_at DESC LIMIT ?",
            (_LAST_PHASE, scenario, acceleration, _USUAL_RUNS),
        )
        found = rows_of(rows, tuple[Seconds])
    return median(took for (took,) in found) if found else None


def of_units(path: Path, unit: Callable[[str | None, str], str]) -> dict[str, float]:
    """Return how long each unit of tests usually takes, with the boots of its tests.

    `unit` gives the name of a test's unit by its scenario and its id. That is the median of the
    last runs that had tests of the unit.

    Raises:
        InputError: the file is not a history, or of a newer version.
    """
    with reading(path) as database:
        if database is None:
            return {}
        rows = database.execute(
            "SELECT runs.id, scenario, tests.id, duration_s FROM tests"
            " JOIN runs ON runs.id = tests.run ORDER BY started_at DESC, runs.id, tests.id"
        )
        return _medians(rows_of(rows, tuple[str, str | None, str, Seconds]), unit)


def _medians(
    rows: Iterable[tuple[str, str | None, str, float]], unit: Callable[[str | None, str], str]
) -> dict[str, float]:
    runs: defaultdict[str, dict[str, float]] = defaultdict(dict)
    for run, scenario, test, duration_s in rows:
        of_unit = runs[unit(scenario, test)]
        if run in of_unit or len(of_unit) < _USUAL_RUNS:
            of_unit[run] = of_unit.get(run, 0.0) + duration_s
    return {name: median(of_unit.values()) for name, of_unit in runs.items()}
