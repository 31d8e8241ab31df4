"""The section at the end of pytest's output names what to mind, and where the rest is."""

from __future__ import annotations

from pathlib import Path

from composed_runs import record

from harness.model.record import (
    Blame,
    MachineRecord,
    MissingCommand,
    Outcome,
    PhaseRecord,
    QuotedLine,
    Sighting,
    TestRecord,
    Weight,
)
from harness.plugin.summary import one_line, section

FOLDER = Path("/kept/run-01")
LINE = QuotedLine(stream="journal", at_s=9.0, text="oc: command not found")


def sighting(weight: Weight, cause: str, **more: object) -> Sighting:
    given = {
        "rule": "avc-denied", "weight": weight, "blame": Blame.PRODUCT, "phase": "kubelet",
        "at_s": 9.0, "cause": cause, "advice": "", "source": "",
    }  # fmt: skip
    return Sighting(**(given | more))  # type: ignore[arg-type]


MACHINE = MachineRecord(
    name="ipi", scenario="ipi", folder="ipi",
    phases=(PhaseRecord(name="kubelet", title="kubelet starts", begin_s=8.0),),
    sightings=(
        sighting(Weight.WARNING, "SELinux denied\x1b[2J something", count=3),
        sighting(Weight.ALLOWED, "a unit failed", allowed_by="https://issues.example/1"),
        sighting(Weight.FATAL, "in the red test"),
    ),
    missing_commands=(
        MissingCommand(caller="a.service", command="/usr/bin/oc", package="openshift-clients",
                       line=LINE),
        MissingCommand(caller="b.sh", command="jq", package=None, line=LINE),
    ),
)  # fmt: skip
TESTS = (
    TestRecord(id="t.py::allowed", outcome=Outcome.ALLOWED, allowed_by="https://issues.example/2"),
    TestRecord(id="t.py::flaky", outcome=Outcome.FLAKY, attempts=2),
    TestRecord(id="t.py::red", outcome=Outcome.FAILED, blame=Blame.PRODUCT),
)


def test_summary_lists_findings_and_no_red_test_again() -> None:
    run = record(1, machines=(MACHINE,), tests=TESTS, notes=("an entry has expired",))

    assert [str(entry) for entry in section(run, FOLDER)] == [
        "warning  ipi, kubelet starts: SELinux denied something (3 times)",
        "allowed  ipi, kubelet starts: a unit failed, https://issues.example/1",
        "allowed  t.py::allowed, https://issues.example/2",
        "flaky    t.py::flaky passed at attempt 2",
        "missing  ipi: a.service called /usr/bin/oc before live-apply, when it was not there; "
        "openshift-clients brings it",
        "missing  ipi: b.sh called jq before live-apply, when it was not there; "
        "no package is known to bring it",
        "note     an entry has expired",
        "report   /kept/run-01/report.json",
        "page     /kept/run-01/node-image-summary.html",
    ]


def test_quiet_run_gets_one_line() -> None:
    run = record(1, machines=(MACHINE,), tests=TESTS)

    assert one_line(run, FOLDER) == (
        "node image: 1 warning, 2 allowed, 1 flaky, 2 missing, /kept/run-01/node-image-summary.html"
    )


def test_summary_without_findings_says_where_the_report_is() -> None:
    assert [entry.title for entry in section(record(1), FOLDER)] == ["report", "page"]
    assert one_line(record(1), FOLDER) == "node image: /kept/run-01/node-image-summary.html"


def test_rows_that_were_not_judged_are_counted_by_reason() -> None:
    reason = "not judged: no base image was given. Add --base-image."
    tests = [TestRecord(id=f"t.py::{n}", outcome=Outcome.SKIPPED, message=reason) for n in (1, 2)]
    other = TestRecord(id="t.py::other", outcome=Outcome.SKIPPED, message="unconditional skip")

    lines = [str(entry) for entry in section(record(1, tests=(*tests, other)), FOLDER)]

    assert lines[0] == f"skipped  2 rows {reason}"
    assert not any("unconditional" in line for line in lines)
