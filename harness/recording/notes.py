"""Notes on red reports beyond pytest's own fields; they travel with the reports of xdist's workers.

Imports little on purpose: pytest asks for the status of every test of every project.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass

import pytest

from harness.model.record import Blame

_ATTRIBUTE = "node_image"
_YELLOW = {"yellow": True}

Status = tuple[str, str, tuple[str, Mapping[str, bool]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """The blame of a red test, and its message without secrets; `allowed_by` is an issue's link.

    `is_ours` marks an error of the harness: `set_kind` shows it as failure or error by its blame.
    """

    blame: Blame
    message: str
    is_ours: bool = False
    allowed_by: str | None = None


def note_of(report: pytest.TestReport) -> Note | None:
    """Return the note on a report, made in this process or in a worker."""
    noted = getattr(report, _ATTRIBUTE, None)
    if noted is None:
        return None
    return Note(**noted | {"blame": Blame(noted["blame"])})


def put_note(report: pytest.TestReport, note: Note) -> None:
    """Put a note on a report, in a form that xdist can carry."""
    setattr(report, _ATTRIBUTE, asdict(note) | {"blame": note.blame.value})


def message_of(report: pytest.TestReport) -> str:
    """Return the text of a red report, the reason first: a traceback begins with the arguments."""
    text = report.longreprtext
    reason: str = getattr(getattr(report.longrepr, "reprcrash", None), "message", "").strip()
    return f"{reason}\n\n{text}" if reason and not text.startswith(reason) else text


def set_kind(report: pytest.TestReport) -> None:
    """Set the phase of our errors, by which pytest and JUnit distinguish failure and error.

    Done when a report is logged, not before: pytest-rerunfailures needs the true phase until then.
    """
    note = note_of(report) if report.failed else None
    if note is None or not note.is_ours:
        return
    if note.blame is Blame.RIG and report.when == "call":
        report.when = "setup"
    elif note.blame is not Blame.RIG and report.when == "setup":
        report.when = "call"


def attempt_of(report: pytest.TestReport) -> int:
    """Return the attempt of its test that a report is of, from 1, by pytest-rerunfailures."""
    return int(getattr(report, "rerun", 0)) + 1


def status(report: pytest.TestReport, marker: str) -> Status | None:
    """Return how pytest shows what is allowed or flaky; None leaves it to pytest.

    Only tests with `marker` can be flaky: reruns of other tests are shown as before.
    """
    if report.skipped and (note := note_of(report)) is not None and note.allowed_by:
        return "allowed", "a", ("ALLOWED", _YELLOW)
    is_again = report.when == "call" and report.passed and attempt_of(report) > 1
    if is_again and marker in report.keywords and not hasattr(report, "wasxfail"):
        return "flaky", "f", ("FLAKY", _YELLOW)
    return None
