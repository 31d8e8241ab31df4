"""Reports as pytest makes them, and the folder of a session, for tests of the recording."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pytest

from harness.model.record import Blame, MachineRecord, State
from harness.model.secrets.redaction import Redactor
from harness.recording.artifacts import Artifacts, Place
from harness.recording.notes import Note, put_note
from harness.watching.evidence import Evidence

TEST = "test_it.py::test_plain[fake]"

When = Literal["setup", "call", "teardown"]


def make_report(
    when: When = "call",
    outcome: str = "passed",
    longrepr: object = None,
    nodeid: str = TEST,
    wasxfail: str = "",
    rerun: int = 0,
) -> pytest.TestReport:
    """Make a report on a test of the scenario `fake`, of 0.5 s."""
    report = pytest.TestReport(
        nodeid=nodeid, location=("test_it.py", 4, "test_plain[fake]"), keywords={"node_image": 1},
        outcome="passed", longrepr=None, when=when, duration=0.5,
        user_properties=[("scenario", "fake")],
    )  # fmt: skip
    vars(report).update(outcome=outcome, longrepr=longrepr, rerun=rerun)
    if wasxfail:
        report.wasxfail = wasxfail
    return report


def whole_test(call: pytest.TestReport, rerun: int = 0) -> list[pytest.TestReport]:
    """Return the three reports of a test, of which `call` is the middle one."""
    before = make_report("setup", nodeid=call.nodeid, rerun=rerun)
    return [before, call, make_report("teardown", nodeid=call.nodeid, rerun=rerun)]


def noted(
    report: pytest.TestReport, blame: Blame, allowed_by: str | None = None
) -> pytest.TestReport:
    put_note(report, Note(blame=blame, message=str(report.longrepr), allowed_by=allowed_by))
    return report


def make_artifacts(tmp_path: Path, name: str = "run-1") -> Artifacts:
    return Artifacts(Place(path=tmp_path / name, is_cache=False, begun_s=0.0))


def write_machine(folder: Path, name: str = "fake", **changes: object) -> MachineRecord:
    """Write the record of a machine that is up, and return it."""
    given = {"name": name, "scenario": "fake", "folder": name, "state": State.UP}
    record = MachineRecord(**(given | changes))  # type: ignore[arg-type]
    (folder / name).mkdir(parents=True, exist_ok=True)
    Evidence(folder=folder / name, redactor=Redactor()).keep_record(record)
    return record
