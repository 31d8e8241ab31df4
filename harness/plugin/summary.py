"""The section that pytest's terminal shows at the end of a run with machines."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from harness.model.escapes import printable
from harness.model.record import Missing, Outcome, RunRecord, Weight
from harness.model.run_folder import PAGE, RECORD
from harness.report.conclusion import Seen, seen
from harness.verdict.contract.image_set import NOT_JUDGED


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One line of the section; a notable one is coloured."""

    title: str
    text: str
    is_notable: bool = True

    def __str__(self) -> str:
        return f"{self.title:<8} {printable(self.text)}"


def write(terminal: pytest.TerminalReporter, record: RunRecord, folder: Path) -> None:
    """Write the section; one line under `-q`."""
    if terminal.verbosity < 0:
        terminal.write_line(one_line(record, folder))
        return
    terminal.write_sep("=", "node image")
    for entry in section(record, folder):
        terminal.write_line(str(entry), yellow=entry.is_notable)


def section(record: RunRecord, folder: Path) -> Iterator[Entry]:
    """Yield the findings of a run, which may be green, and where its report is."""
    for found in seen(record, Weight.WARNING):
        yield Entry(title="warning", text=_sighting(found))
    for found in seen(record, Weight.ALLOWED):
        yield Entry(title="allowed", text=f"{_sighting(found)}, {found.sighting.allowed_by}")
    for test in record.tests:
        if test.outcome is Outcome.ALLOWED:
            yield Entry(title="allowed", text=f"{test.id}, {test.allowed_by}")
        elif test.outcome is Outcome.FLAKY:
            yield Entry(title="flaky", text=f"{test.id} passed at attempt {test.attempts}")
    for reason, count in _unjudged(record).items():
        rows = f"{count} rows" if count > 1 else "1 row"
        yield Entry(title="skipped", text=f"{rows} {reason}")
    for machine in record.machines:
        for missing in machine.missing:
            yield Entry(title="missing", text=f"{machine.name}: {_missing(missing)}")
    for note in record.notes:
        yield Entry(title="note", text=note)
    yield Entry(title="report", text=str(folder / RECORD), is_notable=False)
    yield Entry(title="page", text=str(folder / PAGE), is_notable=False)


def one_line(record: RunRecord, folder: Path) -> str:
    """Return the section in one line, for `-q`."""
    counts: dict[str, int] = {}
    for entry in section(record, folder):
        if entry.is_notable:
            counts[entry.title] = counts.get(entry.title, 0) + 1
    counted = "".join(f"{count} {title}, " for title, count in counts.items())
    return printable(f"node image: {counted}{folder / PAGE}")


def _unjudged(record: RunRecord) -> Counter[str]:
    """Return why rows were not judged, with their number."""
    skipped = (test for test in record.tests if test.outcome is Outcome.SKIPPED)
    return Counter(t.message for t in skipped if t.message.startswith(NOT_JUDGED))


def _sighting(found: Seen) -> str:
    times = f" ({found.sighting.count} times)" if found.sighting.count > 1 else ""
    return f"{found.machine.name}, {found.phase}: {found.sighting.cause}{times}"


def _missing(found: Missing) -> str:
    package = f"{found.package} brings it" if found.package else "no package is known to bring it"
    return f"{found} before live-apply, when it was not there; {package}"
