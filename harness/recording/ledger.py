"""Turns pytest's reports, three or more for each test, into one record for each test."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

import pytest

from harness.model.record import Blame, Outcome, TestRecord
from harness.recording.notes import Note, attempt_of, message_of, note_of

_MESSAGE_LIMIT = 20_000
# The last of these wins when the phases of a test differ. A failure is shown before an error in
# what comes after it.
_ORDER = (Outcome.PASSED, Outcome.SKIPPED, Outcome.ALLOWED, Outcome.ERROR, Outcome.FAILED)


class Ledger:
    """The tests so far; `redact` takes secrets out of their messages."""

    def __init__(self, redact: Callable[[str], str]) -> None:
        self._redact = redact
        self._tests: dict[str, TestRecord] = {}
        self._running: dict[str, None] = {}

    @property
    def tests(self) -> tuple[TestRecord, ...]:
        """The tests that are over, and those that are red already."""
        known = self._tests.values()
        return tuple(test for test in known if test.outcome.is_red or test.id not in self._running)

    @property
    def running(self) -> tuple[str, ...]:
        """The ids of the tests that are not over."""
        return tuple(self._running)

    def begin(self, test_id: str) -> None:
        """Note that a test has begun, or is begun again."""
        self._running[test_id] = None

    def add(self, report: pytest.TestReport) -> None:
        """Take one report into account."""
        test = self._at_attempt(report)
        changed = _with_phase(test, report, "" if report.passed else self._message(report))
        self._tests[test.id] = replace(
            changed,
            duration_s=round(test.duration_s + report.duration, 3),
            scenario=_property(report, "scenario") or test.scenario,
            node=_property(report, "node") or test.node,
        )
        if report.when == "teardown":
            self._running.pop(test.id, None)

    def _at_attempt(self, report: pytest.TestReport) -> TestRecord:
        """Return the record to add to; a new attempt discards the outcome of the last one."""
        attempt = attempt_of(report)
        known = self._tests.get(report.nodeid)
        if known is None:
            return TestRecord(id=report.nodeid, outcome=Outcome.PASSED, attempts=attempt)
        if attempt > known.attempts:
            return replace(known, outcome=Outcome.PASSED, blame=None, attempts=attempt)
        return known

    def _message(self, report: pytest.TestReport) -> str:
        if (note := note_of(report)) is not None:
            return cut(note.message)
        if isinstance(report.longrepr, tuple):
            text = report.longrepr[2].removeprefix("Skipped: ")
        else:
            text = getattr(report, "wasxfail", "") or message_of(report)
        return cut(self._redact(text))


def is_only_rigs(tests: Iterable[TestRecord]) -> bool:
    """Return whether there are red tests, all because of the rig."""
    red = [test for test in tests if test.outcome.is_red]
    return bool(red) and all(test.blame is Blame.RIG for test in red)


def cut(message: str) -> str:
    """Return a message without its middle if it is too long for a report."""
    if len(message) <= _MESSAGE_LIMIT:
        return message
    half = _MESSAGE_LIMIT // 2
    return f"{message[:half]}\n[{len(message) - 2 * half} characters cut]\n{message[-half:]}"


def _with_phase(test: TestRecord, report: pytest.TestReport, message: str) -> TestRecord:
    """Return the record with one more phase."""
    note = note_of(report)
    found = _outcome(report, note)
    if found is None:  # an attempt that is repeated; its message is shown if the test is flaky
        return replace(test, message=message)
    if found is Outcome.PASSED:
        is_again = test.outcome is Outcome.PASSED and test.attempts > 1
        return replace(test, outcome=Outcome.FLAKY) if is_again else test
    before = Outcome.PASSED if test.outcome is Outcome.FLAKY else test.outcome
    if before.is_red:
        message = f"{test.message}\n\n{message}"
    if _ORDER.index(found) <= _ORDER.index(before):
        return replace(test, message=message if before.is_red else test.message)
    blame = note.blame if note else Blame.TEST
    return replace(
        test, outcome=found, message=message,
        blame=None if found is Outcome.SKIPPED else blame,
        allowed_by=note.allowed_by if note else None,
    )  # fmt: skip


def _outcome(report: pytest.TestReport, note: Note | None) -> Outcome | None:
    """Return the outcome of one report; None for an attempt that pytest-rerunfailures repeats.

    Failures and errors are as in pytest, but a fault of the product in a fixture is a failure.
    """
    if report.passed:
        return Outcome.PASSED
    if report.skipped:
        return Outcome.ALLOWED if note and note.allowed_by else Outcome.SKIPPED
    if not report.failed:
        return None
    is_failure = report.when == "call" or (note is not None and note.blame is Blame.PRODUCT)
    return Outcome.FAILED if is_failure else Outcome.ERROR


def _property(report: pytest.TestReport, wanted: str) -> str | None:
    found = (str(value) for name, value in report.user_properties if name == wanted)
    return next(found, None)
