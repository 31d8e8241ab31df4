"""Why a run is red: what its red tests say, and a machine only if they quote it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from page_reader import read

from harness.folders import fixture
from harness.model.record import Blame, Outcome, RunRecord, TestRecord
from harness.report import document

GOOD = document.read(fixture("examples/report-good.json"))
FAILED = document.read(fixture("examples/report-failed.json"))
PASSED = replace(GOOD, tests=(TestRecord(id="t.py::test_0", outcome=Outcome.PASSED),))


def why(run: RunRecord) -> str:
    text = read(run).text
    return text[text.index("Why") : text.index("Red tests")]


def test_reason_is_the_sighting_that_the_red_tests_quote() -> None:
    reason = why(FAILED)

    for shown in (
        "ipi_bootstrap, during pull of the node image, 111.9 s after power-on · product",
        "the pull of the node image failed 3 times: error: Creating importer",
        "111.8 s console node-image-pull[489]: gave up after 3 tries",
        "have the output of the pull",
        "1 other red test has another message",
    ):
        assert shown in reason


def test_reason_without_tests_is_the_fatal_sighting() -> None:
    text = read(replace(FAILED, tests=())).text

    assert "Why ipi_bootstrap, during pull of the node image, 111.9 s after power-on" in text


def test_reason_is_of_the_machine_that_the_red_test_names() -> None:
    (fatal, *_) = FAILED.machines[0].sightings
    others = tuple(
        replace(FAILED.machines[0], name=name, folder=name, sightings=(replace(fatal, at_s=at_s),))
        for name, at_s in (("node", 1.0), ("node-2", 2.0), ("other-node-2", 3.0))
    )
    message = FAILED.tests[0].message.replace("/ipi_bootstrap", "/node-2")
    tests = (replace(FAILED.tests[0], message=message),)

    reason = why(replace(FAILED, machines=others, tests=tests))

    assert "node-2, during pull of the node image, 2.0 s after power-on" in reason
    assert "other red" not in reason


@pytest.mark.parametrize(
    "message",
    [
        "AssertionError: assert 'a' == 'b'",
        f"AssertionError: no sign of a panic: {FAILED.tests[0].message}",
        FAILED.tests[0].message.replace("rule: pull-gave-up", "rule: kernel-panic"),
        FAILED.tests[0].message.replace("/ipi_bootstrap", "/node-2"),
    ],
    ids=["plain", "about-a-diagnosis", "other-rule", "other-machine"],
)
def test_machine_that_no_red_test_quotes_is_not_the_reason(message: str) -> None:
    test = replace(FAILED.tests[0], message=message)

    run = replace(FAILED, tests=(test,))

    assert " ".join(f"Why {test.id} {message}".split()) in why(run)
    assert "Fatal 1 the pull of the node image failed 3 times" in read(run).text


def test_what_was_fatal_to_machines_of_a_green_run_is_a_finding() -> None:
    text = read(replace(PASSED, machines=FAILED.machines)).text

    assert "Why" not in text
    assert "Fatal 1 the pull of the node image failed 3 times" in text
    assert "111.8 s console node-image-pull[489]: gave up" in text


def test_reason_without_a_sighting_is_what_the_worst_tests_say() -> None:
    worst = TestRecord(
        id="t.py::test_1", outcome=Outcome.FAILED, blame=Blame.PRODUCT, message="words 1"
    )
    other = replace(
        worst, id="t.py::test_0", outcome=Outcome.ERROR, blame=Blame.RIG, message="words 0"
    )
    run = replace(GOOD, machines=(), tests=(other, worst))

    text = read(run).text

    assert "Why t.py::test_1 words 1 1 other red test has another message; see below." in text
    assert text.count("words 1") == 1
    assert "error rig t.py::test_0 words 0" in text


def test_run_without_red_needs_no_reason() -> None:
    assert "Why" not in read(GOOD).text
