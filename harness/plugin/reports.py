"""Attributes red tests to the product, the rig or the test, in the process that runs them.

A fault of the product or of the suite is a *failure*, also in a fixture; a problem of the rig is an
*error*, also in the middle of a test. The harness's own errors are shown by their message, without
a traceback. What the controller needs in addition travels as a `Note`.
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from harness.model.errors import HarnessError
from harness.model.escapes import printable
from harness.model.record import Blame
from harness.recording.notes import Note, message_of, put_note

if TYPE_CHECKING:
    from harness.diagnosis.allow import AllowList
    from harness.recording.artifacts import Artifacts

_FIXTURES = Path(__file__).with_name("fixtures.py")
NODE_PROPERTY = "node"
OWN_PROPERTIES = frozenset({"scenario", NODE_PROPERTY, "class", "rule", "phase"})
"""Names under which the plugin adds properties to tests, beside those of what is under test."""


def blame_of(report: pytest.TestReport, raised: pytest.ExceptionInfo[BaseException]) -> Blame:
    """Attribute an exception of a test or of one of its fixtures.

    A failed assertion about the node is a fault of the product, unless it is raised from an error
    of the harness, which has its own blame. Any other exception of a project's code is the test's,
    one of the plugin's fixtures the rig's.
    """
    error = raised.value
    if (ours := _ours(error)) is not None:
        return ours.blame
    if report.when == "call":
        is_claim = isinstance(error, AssertionError | pytest.fail.Exception)
        return Blame.PRODUCT if is_claim else Blame.TEST
    is_ours = any(entry.path == _FIXTURES for entry in raised.traceback)
    return Blame.RIG if is_ours else Blame.TEST


@dataclass(frozen=True, slots=True, kw_only=True)
class Judge:
    """Attributes red reports.

    A failure also shows the `facts`: what was tested, and where the evidence is.
    """

    artifacts: Artifacts
    allowed: AllowList
    facts: tuple[tuple[str, str], ...] = ()

    def sort(self, report: pytest.TestReport, raised: pytest.ExceptionInfo[BaseException]) -> Blame:
        """Attribute a failed report, note the result on it, and return the blame.

        A failure that the allow-list covers is not red any more.
        """
        blame = blame_of(report, raised)
        is_ours = _ours(raised.value) is not None
        if isinstance(raised.value, HarnessError):
            message = self.artifacts.redactor(str(raised.value))
            facts = "" if blame is Blame.RIG else _aligned(self.facts)
            report.longrepr = f"{message}\n\n{facts}" if facts else message
        else:
            message = self.artifacts.redactor(message_of(report))
            take_secrets_out(report, self.artifacts.redactor)
        tracker = None if blame is Blame.RIG else self._tracker(report.nodeid, message)
        note = Note(blame=blame, message=message, is_ours=is_ours, allowed_by=tracker)
        put_note(report, note)
        if tracker:
            _take_red(report, f"allowed by {tracker}: {_first_line(message)}")
        return blame

    def _tracker(self, test_id: str, message: str) -> str | None:
        found = self.allowed.entry_for_test(
            test_id, message, platform.machine(), self.artifacts.today
        )
        return found.tracker if found else None


def take_secrets_out(report: pytest.TestReport, redact: Callable[[str], str]) -> None:
    """Remove secrets from what pytest shows of a test and writes to its own JUnit file.

    Text without secrets stays as it is, colours included.
    """
    report.sections = [(title, redact(content)) for title, content in report.sections]
    if isinstance(report.longrepr, tuple):
        path, line, reason = report.longrepr
        report.longrepr = (path, line, redact(reason))
        return
    # The summary's line is shown apart from the traceback, which can leave it out.
    crash = getattr(getattr(report.longrepr, "reprcrash", None), "message", "")
    text = report.longreprtext
    clean = redact(text)
    if clean != text or redact(crash) != crash:
        report.longrepr = clean


def add_properties(
    item: pytest.Item, report: pytest.TestReport, blame: Blame, error: BaseException
) -> None:
    """Add the blame, and the rule that matched, to every JUnit file."""
    found = [("class", blame.value)]
    ours = _ours(error)
    if ours is not None and (sighting := ours.sighting) is not None:
        found += [("rule", sighting.rule), ("phase", sighting.phase)]
    item.user_properties.extend(found)  # the report of the teardown, which pytest's file takes
    report.user_properties.extend(found)


def set_properties(item: pytest.Item, found: Mapping[str, str]) -> None:
    """Give a test its properties, in place of those of an attempt before."""
    own = OWN_PROPERTIES | found.keys()
    kept = [entry for entry in item.user_properties if entry[0] not in own]
    item.user_properties[:] = [*kept, *((name, printable(found[name])) for name in found)]


def set_node(item: pytest.Item, report: pytest.TestReport, kind: str) -> None:
    """Add to a report, and to the test's later ones, what its node is."""
    for properties in (item.user_properties, report.user_properties):
        properties[:] = [entry for entry in properties if entry[0] != NODE_PROPERTY]
        properties.append((NODE_PROPERTY, kind))


def _ours(error: BaseException) -> HarnessError | None:
    """Return `error`, or the cause of a failed assertion, if it is an error of the harness."""
    source = error.__cause__ if isinstance(error, AssertionError) else error
    return source if isinstance(source, HarnessError) else None


def _take_red(report: pytest.TestReport, reason: str) -> None:
    path, line, _ = report.location
    report.outcome = "skipped"
    report.longrepr = (path, (line or 0) + 1, reason)


def _first_line(text: str) -> str:
    return text.partition("\n")[0]


def _aligned(facts: tuple[tuple[str, str], ...]) -> str:
    width = max((len(name) for name, _ in facts), default=0)
    return "\n".join(f"{name:<{width}}  {value}" for name, value in facts)
