"""The page shows the verdict and the reason first, and is one file without requests."""

from __future__ import annotations

from dataclasses import replace

import pytest
from page_reader import Reader, read

from harness.folders import fixture
from harness.model.record import (
    Blame,
    LayerRecord,
    MachineRecord,
    MissingUnit,
    Outcome,
    QuotedLine,
    RunRecord,
    ShardRecord,
    State,
    TestRecord,
)
from harness.report import document, page

GOOD = document.read(fixture("examples/report-good.json"))
FAILED = document.read(fixture("examples/report-failed.json"))
CONSOLE = tuple(f"line {n}" for n in range(5))
STAND_IN = "it says nothing about RHEL"


def run_of(*outcomes: tuple[Outcome, Blame | None]) -> RunRecord:
    tests = tuple(
        TestRecord(id=f"t.py::test_{n}", outcome=outcome, blame=blame, message=f"words {n}")
        for n, (outcome, blame) in enumerate(outcomes)
    )
    return replace(GOOD, machines=(), tests=tests)


P, T, R = (Blame.PRODUCT, Blame.TEST, Blame.RIG)
PASSED = run_of((Outcome.PASSED, None))
SHARD = ShardRecord(number=3, count=3, tests=2)


@pytest.mark.parametrize(
    ("run", "headline"),
    [
        (PASSED, "Passed"),
        (run_of((Outcome.FAILED, P), (Outcome.PASSED, None)), "Failed: product"),
        (run_of((Outcome.ERROR, R)), "Error: rig"),
        (run_of((Outcome.ERROR, R), (Outcome.FAILED, P)), "Failed: product and rig"),
        (run_of((Outcome.FAILED, None), (Outcome.ERROR, None)), "Failed: test and rig"),
        (run_of((Outcome.FLAKY, None), (Outcome.ALLOWED, P)), "Passed"),
        (replace(PASSED, state=State.INTERRUPTED), "Interrupted"),
        (
            replace(run_of((Outcome.FAILED, T)), state=State.INTERRUPTED),
            "Interrupted; red so far: test",
        ),
        (replace(PASSED, state=State.RUNNING, ended=""), "Unfinished"),
        (replace(PASSED, exit_code=3), "Error: pytest failed"),
        (replace(PASSED, exit_code=77), "Error: pytest's exit code is 77"),
        (replace(PASSED, tests=()), "Error: no tests ran"),
        (replace(PASSED, tests=(), shard=SHARD), "Passed: no tests in this shard"),
        (replace(FAILED, tests=()), "Failed: product"),
        (replace(PASSED, machines=FAILED.machines), "Passed"),
        (replace(run_of((Outcome.ERROR, R)), machines=FAILED.machines), "Error: rig"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_verdict_comes_first(run: RunRecord, headline: str) -> None:
    text = read(run).text

    assert f"run {run.id} {headline} " in text
    assert text.index(headline) < text.index("What was tested")


def test_outcomes_are_counted_as_themselves() -> None:
    assert "22 failed 1 error 1 skipped 1 passed" in read(FAILED).text
    assert "1 flaky 1 allowed 20 passed" in read(GOOD).text


def test_parts_come_in_the_order_of_reading() -> None:
    machine = replace(GOOD.machines[0], sightings=FAILED.machines[0].sightings)
    run = replace(FAILED, machines=(machine,))

    text = read(run, {"ipi_bootstrap": CONSOLE}).text

    parts = [
        "Failed: product", "says nothing about RHEL", "Why", "Red tests", "What was tested",
        "phases in 271.9 s", "Findings", "Fatal", "Warnings", "Missing before live-apply",
        "Other tests", "What live-apply changed", "os-release", "Console", "Files",
    ]  # fmt: skip
    at = [text.index(part) for part in parts]
    assert at == sorted(at)


def test_cost_of_the_evidence_is_shown_in_words() -> None:
    assert "882 KiB of evidence, for 0.8 s of the host's CPU" in read(FAILED).text


def test_tests_with_the_same_message_are_shown_once() -> None:
    text = read(FAILED).text

    assert "22 tests with the same message PRODUCT failed in pull of the node image" in text
    assert text.count("PRODUCT failed in pull of the node image") == 1
    assert text.count("test_invariant[ipi_bootstrap-boot-id-unchanged]") == 1


def test_flaky_and_allowed_tests_say_why() -> None:
    text = read(GOOD).text

    assert "flaky tests/boot/test_node_image.py::test_readiness[ipi_bootstrap-healthz]" in text
    assert "2 attempts http://127.0.0.1:10248/healthz did not answer" in text
    assert "allowed by https://tracker.example/issues/2296" in text


def test_differences_of_the_layers_are_shown() -> None:
    before = LayerRecord(
        packages=("bash-5.1-1.x86_64", "jq-1.6-2.x86_64"), os_release={"ID": "rhel", "A": "1"}
    )
    after = LayerRecord(
        packages=("jq-1.7-1.x86_64", "oc-4.19-1.x86_64"), os_release={"ID": "rhel", "B": "2"}
    )
    machine = replace(GOOD.machines[0], before=before, after=after)

    text = read(replace(GOOD, machines=(machine,))).text

    assert "Added 1 oc-4.19-1.x86_64 Removed 1 bash-5.1-1.x86_64 Changed 1" in text
    assert "jq 1.6-2 1.7-1" in text
    assert "A 1 — B — 2" in text


def test_image_that_a_node_pulled_stands_beside_the_one_under_test() -> None:
    pulled = replace(GOOD.machines[0], node_image="q/node@sha256:b")

    text = read(replace(GOOD, machines=(pulled,))).text

    assert "pulled the node image q/node@sha256:b" in text
    assert GOOD.subject["node_image_digest"] in text


def test_layers_that_are_alike_say_so() -> None:
    layer = LayerRecord(packages=("jq-1.6-2.x86_64",), os_release={"ID": "rhel"})
    machine = replace(GOOD.machines[0], before=layer, after=layer)

    text = read(replace(GOOD, machines=(machine,))).text

    assert "No package differs." in text
    assert "No field differs." in text


def test_missing_command_names_caller_and_package() -> None:
    text = read(GOOD).text

    assert "/usr/bin/oc, called by my-tool.service the node layer brings it with openshift" in text
    assert "102.4 s journal systemd: my-tool.service: Failed at step EXEC" in text


def test_missing_unit_is_beside_the_missing_commands() -> None:
    line = QuotedLine(stream="journal", at_s=40.0, text="Unit kubelet.service not found.")
    unit = MissingUnit(caller="a.service", unit="kubelet.service", package=None, line=line)
    text = read(replace(GOOD, machines=(replace(GOOD.machines[0], missing_units=(unit,)),))).text

    assert "Missing before live-apply 2" in text
    assert "kubelet.service, called by a.service no package" in text


def test_files_are_linked_relative_to_the_page() -> None:
    links = read(FAILED).links

    assert {"report.json", "junit.xml", "ipi_bootstrap/console.txt"} <= set(links)
    assert not [link for link in links if link.startswith(("/", "file:"))]


@pytest.mark.parametrize(
    ("subject", "is_named"),
    [
        ({"stand_in": "yes"}, True),
        ({"io.node-image.stand-in": "true"}, True),
        ({"stand_in": "no"}, False),
        ({}, False),
    ],
)
def test_stand_ins_are_named_as_such(subject: dict[str, str], is_named: bool) -> None:
    run = replace(FAILED, subject=subject)

    assert (STAND_IN in read(run).text) is is_named


def test_stand_in_is_known_by_its_os_release() -> None:
    assert "STAND_IN" in (GOOD.machines[0].before or LayerRecord(os_release={})).os_release
    assert STAND_IN in read(replace(GOOD, subject={})).text


def test_run_that_has_just_begun_has_a_page() -> None:
    machine = MachineRecord(name="m", scenario="s", folder="m")
    run = RunRecord(id="run-1", started="soon", subject={}, host={}, machines=(machine,))

    text = read(run).text

    assert "Unfinished no test has finished soon to no end" in text
    assert "No phase was recorded." in text


def test_console_marks_the_line_that_decided() -> None:
    lines = ("[ 1.0] before", "[ 2.0] systemd[1]: it broke & <ended>", "[ 3.0] after")
    line = QuotedLine(stream="journal", at_s=2.0, text="systemd: it broke & <ended>")
    fatal = replace(FAILED.machines[0].sightings[0], lines=(line,))
    run = replace(FAILED, machines=(replace(FAILED.machines[0], sightings=(fatal,)),))

    shown = page.render(run, {"ipi_bootstrap": lines})

    assert shown.count('<div class="decisive">') == 1
    assert '<div class="decisive">[ 2.0] systemd[1]: it broke' in shown


NUMBERED = "\n".join(f"[ {n}.0] \x1b[0;32mline {n}\x1b[0m\r\n" for n in range(100))


@pytest.mark.parametrize(
    ("wanted", "first", "last"),
    [
        ("line 50", "[ 26.0] line 26", "[ 58.0] line 58"),
        ("line 0", "[ 0.0] line 0", "[ 8.0] line 8"),
        ("systemd: line 50", "[ 26.0] line 26", "[ 58.0] line 58"),
        ("never said", "[ 76.0] line 76", "[ 99.0] line 99"),
        ("", "[ 76.0] line 76", "[ 99.0] line 99"),
    ],
)
def test_excerpt_is_around_the_line_or_the_last(wanted: str, first: str, last: str) -> None:
    lines = page.console_excerpt(NUMBERED, wanted)

    assert (lines[0], lines[-1]) == (first, last)


def test_excerpt_keeps_the_last_of_what_is_redrawn() -> None:
    drawn = "".join(
        f"\x1b[K[ \x1b[0;31m*\x1b[0m    ] Job a.service/start running ({n}s / no limit)\r\n"
        for n in range(5)
    )

    lines = page.console_excerpt(f"before\r\n{drawn}after\n", "after")

    assert lines == ("before", "[ *    ] Job a.service/start running (4s / no limit)", "after")


def test_excerpt_of_an_endless_line_ends() -> None:
    (line,) = page.console_excerpt("x" * 10_000, "x")

    assert len(line) < 500


def test_page_asks_for_nothing() -> None:
    shown = page.render(FAILED, {"ipi_bootstrap": CONSOLE})
    found = Reader(shown)

    assert not found.tags & {"script", "link", "img", "iframe", "object", "embed", "base", "form"}
    assert "src" not in found.attributes
    assert not [name for name in found.attributes if name.startswith("on")]
    assert "url(" not in shown
    assert "@import" not in shown


def test_page_says_which_shard_it_is() -> None:
    assert "· shard 3/3" in read(replace(PASSED, shard=SHARD)).text
    assert "· shard" not in read(PASSED).text
