"""With pytest-rerunfailures: what passes again is flaky, and what is allowed is not run again."""

from __future__ import annotations

from pathlib import Path

import pytest
from left import KEPT, allow, classes, kept, outcomes, report_of
from throwaway import ROWS, Project, junit_cases

from harness.model.record import Blame, Outcome, State
from harness.recording.recorder import RIG_ERRORS

pytest.importorskip("pytest_rerunfailures")
pytest_plugins = ["pytester", "throwaway_fixtures"]


@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["alone", "xdist"])
def test_node_that_comes_up_again_is_flaky(project: Project, workers: tuple[str, ...]) -> None:
    project.write(ROWS)
    project.environment(FAULT="product-once")

    result = project.run("--reruns=1", "-v", *workers, *project.fake, KEPT)

    assert result.ret == pytest.ExitCode.OK
    counts = result.parseoutcomes()
    assert (counts["passed"], counts["flaky"], counts["rerun"]) == (1, 1, 1)
    result.stdout.fnmatch_lines(["flaky    *ostree* passed at attempt 2"])
    run = report_of(project)
    assert [test.outcome for test in run.tests] == [Outcome.FLAKY, Outcome.PASSED]
    assert [test.attempts for test in run.tests] == [2, 1]
    assert run.tests[0].message == "the overlay was not applied"
    assert [(m.name, m.state) for m in run.machines] == [
        ("fake", State.FAILED), ("fake-2", State.FINISHED),
    ]  # fmt: skip
    assert project.log == ["up fake", "up fake", "down fake"]


def test_fault_that_stays_is_reported_once(project: Project) -> None:
    project.write("def test_plain(node_after): pass")
    project.environment(FAULT="rig")

    result = project.run("--reruns=1", *project.fake, KEPT, "--junit-xml=pytests.xml")

    assert result.ret == RIG_ERRORS
    run = report_of(project)
    assert outcomes(run) == {"test_plain[fake]": (Outcome.ERROR, Blame.RIG)}
    assert run.tests[0].attempts == 2
    assert classes(kept(project) / "junit.xml") == {"test_plain[fake]": "rig"}
    names = property_names(project.folder / "pytests.xml")
    assert len(names) == len(set(names)), "an attempt adds to no other's properties"
    assert "class" in names


def test_flaky_test_has_no_class(project: Project) -> None:
    project.write("def test_plain(node_after): pass")
    project.environment(FAULT="product-once")

    project.run("--reruns=1", *project.fake, KEPT, "--junit-xml=pytests.xml")

    assert "class" not in property_names(project.folder / "pytests.xml")


def property_names(junit: Path) -> list[str | None]:
    *_, case = junit_cases(junit)  # pytest writes one for each attempt
    return [entry.get("name") for entry in case.iter("property")]


def test_allowed_failure_is_not_run_again_and_its_node_is_closed(project: Project) -> None:
    project.write("def test_plain(node_after): assert not 1\n")

    result = project.run("--reruns=2", *project.fake, KEPT, allow(project, "assert not 1"))

    assert result.ret == pytest.ExitCode.OK
    (test,) = report_of(project).tests
    assert (test.outcome, test.attempts) == (Outcome.ALLOWED, 1)
    assert project.log == ["up fake", "down fake"]


@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["alone", "xdist"])
def test_reruns_of_another_project_are_shown_as_ever(
    project: Project, workers: tuple[str, ...]
) -> None:
    project.write(
        "import pathlib\n"
        "def test_wavers():\n"
        "    path = pathlib.Path(__file__).with_name('seen')\n"
        "    seen = path.exists()\n"
        "    path.touch()\n"
        "    assert seen\n"
    )

    result = project.run("--reruns=1", *workers)

    counts = {name: count for name, count in result.parseoutcomes().items() if count}
    assert counts == {"passed": 1, "rerun": 1}


def test_condition_of_a_rerun_sees_the_true_phase(project: Project) -> None:
    project.write(
        "import pytest\n"
        "@pytest.mark.flaky(reruns=1, condition='isinstance(error, Exception)')\n"
        "def test_plain(node_after): pass\n"
    )
    project.environment(FAULT="product-once")

    project.run(*project.fake, KEPT)

    (test,) = report_of(project).tests
    assert (test.outcome, test.attempts) == (Outcome.FLAKY, 2)
