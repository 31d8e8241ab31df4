"""JUnit distinguishes failure and error, names what was tested, and is valid XML."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest
from junitparser import JUnitXml

from harness.folders import fixture
from harness.model.record import (
    Blame,
    MachineRecord,
    Outcome,
    PhaseRecord,
    RunRecord,
    TestRecord,
)
from harness.report import document, junit

GOOD = document.read(fixture("examples/report-good.json"))
FAILED = document.read(fixture("examples/report-failed.json"))


def written(run: RunRecord, folder: Path) -> ElementTree.Element:
    junit.write(run, folder / "junit.xml")
    return ElementTree.parse(folder / "junit.xml").getroot()  # noqa: S314 - our own


def run_of(*tests: TestRecord, machines: tuple[MachineRecord, ...] = ()) -> RunRecord:
    return replace(FAILED, tests=tests, machines=machines)


def case_of(test: TestRecord, folder: Path) -> ElementTree.Element:
    (case,) = written(run_of(test), folder).iter("testcase")
    return case


def properties(element: ElementTree.Element | None) -> dict[str, str]:
    assert element is not None
    return {p.attrib["name"]: p.attrib["value"] for p in element.findall("properties/property")}


def red(outcome: Outcome, blame: Blame | None) -> TestRecord:
    return TestRecord(id="t.py::test_x", outcome=outcome, blame=blame, message="first\nsecond")


@pytest.mark.parametrize(
    ("outcome", "blame", "tag", "shown"),
    [
        (Outcome.FAILED, Blame.PRODUCT, "failure", "product"),
        (Outcome.ERROR, Blame.PRODUCT, "failure", "product"),
        (Outcome.FAILED, Blame.TEST, "failure", "test"),
        (Outcome.ERROR, Blame.RIG, "error", "rig"),
        (Outcome.FAILED, Blame.RIG, "error", "rig"),
        (Outcome.ERROR, None, "error", "rig"),
        (Outcome.FAILED, None, "failure", "test"),
    ],
)
def test_failure_or_error_follows_from_the_blame(
    outcome: Outcome, blame: Blame | None, tag: str, shown: str, tmp_path: Path
) -> None:
    case = case_of(red(outcome, blame), tmp_path)

    (result,) = [child for child in case if child.tag != "properties"]
    assert result.tag == tag
    assert (result.attrib["message"], result.text) == ("first", "first\nsecond")
    assert result.attrib["type"] == properties(case)["class"] == shown


def test_allowed_is_skipped_with_the_link(tmp_path: Path) -> None:
    test = replace(red(Outcome.ALLOWED, Blame.PRODUCT), allowed_by="https://tracker.example/1")

    (result,) = case_of(test, tmp_path)

    assert result.tag == "skipped"
    assert result.attrib["message"] == "allowed by https://tracker.example/1"
    assert result.text == "first\nsecond"


def test_flaky_passes_and_says_so(tmp_path: Path) -> None:
    test = replace(red(Outcome.FLAKY, None), attempts=3)

    case = case_of(test, tmp_path)

    assert [child.tag for child in case] == ["properties", "system-out"]
    assert properties(case) == {"flaky": "true"}
    assert case.findtext("system-out") == ("flaky: passed at attempt 3; before it:\nfirst\nsecond")


def test_skipped_shows_why(tmp_path: Path) -> None:
    test = TestRecord(id="t.py::test_x", outcome=Outcome.SKIPPED, message="needs OVMF")

    (result,) = case_of(test, tmp_path)

    assert (result.tag, result.attrib["message"]) == ("skipped", "needs OVMF")


def test_passed_says_nothing(tmp_path: Path) -> None:
    case = case_of(TestRecord(id="t.py::test_x", outcome=Outcome.PASSED, duration_s=1.25), tmp_path)

    assert list(case) == []
    assert case.attrib["time"] == "1.25"


def test_each_scenario_is_a_suite_and_the_rest_is_one(tmp_path: Path) -> None:
    root = written(FAILED, tmp_path)

    suites = {suite.attrib["name"]: suite.attrib for suite in root}
    assert list(suites) == ["ipi_bootstrap", "no scenario"]
    counted = [suites["ipi_bootstrap"][kind] for kind in ("tests", "failures", "errors", "skipped")]
    assert counted == ["22", "22", "0", "0"]
    counted = [suites["no scenario"][kind] for kind in ("tests", "failures", "errors", "skipped")]
    assert counted == ["3", "0", "1", "1"]
    assert root.attrib["failures"] == "22"


def test_suite_shows_what_was_tested_and_where(tmp_path: Path) -> None:
    suite = written(FAILED, tmp_path)[0]

    shown = properties(suite)
    assert shown["node_image_digest"].startswith("sha256:25ec")
    assert shown["node_image_version"] == "9.6.20261123-0"
    assert shown["host.cpus"] == "2"
    assert shown["run"] == "run-81c07b"
    assert shown["class"] == "product"
    assert suite.attrib["timestamp"] == "2026-11-23T13:50:58Z"


def test_suite_shows_the_seconds_of_each_phase(tmp_path: Path) -> None:
    shown = properties(written(GOOD, tmp_path)[0])

    assert shown["phase.overlay-pull.seconds"] == "102.6"
    assert shown["phase.ignition-files.seconds"] == "5.5"
    assert "class" not in shown


def test_phases_of_other_boots_and_machines_keep_their_own_names(tmp_path: Path) -> None:
    phases = (
        PhaseRecord(name="kernel", title="kernel", begin_s=1, end_s=3),
        PhaseRecord(name="kernel", title="kernel", begin_s=10, end_s=15, boot=2),
        PhaseRecord(name="kubelet", title="kubelet", begin_s=20, end_s=21),
        PhaseRecord(name="kubelet", title="kubelet", begin_s=30, end_s=32),
        PhaseRecord(name="pull", title="pull", begin_s=32),
    )
    first = MachineRecord(name="s", scenario="s", folder="a", phases=phases)
    second = replace(first, name="b", phases=phases[:1])

    shown = properties(written(run_of(machines=(second, first)), tmp_path)[0])

    assert {name: value for name, value in shown.items() if "phase." in name} == {
        "phase.kernel.seconds": "2.0",
        "phase.kernel.boot2.seconds": "5.0",
        "phase.kubelet.seconds": "3.0",
        "b.phase.kernel.seconds": "2.0",
    }


@pytest.mark.parametrize(
    ("node_id", "classname", "name"),
    [
        ("tests/boot/test_a.py::test_x", "tests.boot.test_a", "test_x"),
        ("test_a.py::TestIt::test_x[a::b/c.py-1]", "test_a.TestIt", "test_x[a::b/c.py-1]"),
        ("docs/a.md", "docs.a.md", "docs.a.md"),
    ],
)
def test_address_is_that_of_pytest(node_id: str, classname: str, name: str, tmp_path: Path) -> None:
    case = case_of(TestRecord(id=node_id, outcome=Outcome.PASSED), tmp_path)

    assert (case.attrib["classname"], case.attrib["name"]) == (classname, name)


def test_what_xml_forbids_is_left_out(tmp_path: Path) -> None:
    hostile = "\x1b[31m]]><script>&\x00\u202e\ufffe\udc80\ttab</script>\r\n\U0001f600"
    test = TestRecord(id=f"t.py::test_x[{hostile}]", outcome=Outcome.FAILED, message=hostile)
    run = replace(run_of(test), subject={hostile: hostile}, started=hostile)

    root = written(run, tmp_path)

    mark = "\N{REPLACEMENT CHARACTER}"
    clean = f"]]><script>&{mark * 4}\ttab</script>\n\U0001f600"
    (failure,) = root.iter("failure")
    assert failure.text == clean
    assert root.find("testsuite/properties/property[@name='run']") is not None
    assert next(root.iter("testcase")).attrib["name"] == f"test_x[{clean}]"


def test_library_reads_it_back(tmp_path: Path) -> None:
    junit.write(FAILED, tmp_path / "junit.xml")

    suites = list(JUnitXml.fromfile(str(tmp_path / "junit.xml")))

    assert [suite.name for suite in suites] == ["ipi_bootstrap", "no scenario"]
    assert [path.name for path in tmp_path.iterdir()] == ["junit.xml"]


def test_many_tests_are_counted(tmp_path: Path) -> None:
    tests = tuple(TestRecord(id=f"t.py::test_x[{n}]", outcome=Outcome.PASSED) for n in range(100))

    (suite,) = written(run_of(*tests), tmp_path)

    assert suite.attrib["tests"] == "100"
