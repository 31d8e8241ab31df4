"""How runs end: with an exit status for each kind of red, killed, crashed or interrupted."""

from __future__ import annotations

import signal

import pytest
from left import KEPT, kept, outcomes, report_of
from throwaway import ROWS, Project

from harness.model.record import Blame, Outcome, State
from harness.recording.recorder import RIG_ERRORS
from harness.recording.run_files import rebuild

pytest_plugins = ["pytester", "throwaway_fixtures"]


@pytest.mark.parametrize(
    ("fault", "status", "blame", "workers"),
    [
        ("rig", RIG_ERRORS, Blame.RIG, "0"),
        ("rig", RIG_ERRORS, Blame.RIG, "2"),
        ("product", 1, Blame.PRODUCT, "0"),
        ("suite", 1, Blame.TEST, "2"),
    ],
)
def test_exit_status_distinguishes_failure_and_error(
    project: Project, fault: str, status: int, blame: Blame, workers: str
) -> None:
    project.write(ROWS)
    project.environment(FAULT=fault)

    result = project.run("-n", workers, *project.fake, KEPT)

    run = report_of(project)
    assert (result.ret, run.exit_code) == (status, status)
    red = Outcome.ERROR if blame is Blame.RIG else Outcome.FAILED
    assert set(outcomes(run).values()) == {(red, blame)}
    assert [machine.state for machine in run.machines] == [State.FAILED]


def test_product_counts_if_the_rig_fails_too(project: Project) -> None:
    project.write(
        "from harness import ProductError, RigError\n"
        "def test_rig(node_after): raise RigError('the connection dropped')\n"
        "def test_product(node_after): raise ProductError('kubelet is not ready')\n"
    )

    assert project.run(*project.fake).ret == pytest.ExitCode.TESTS_FAILED


@pytest.mark.parametrize("workers", ["0", "2"])
def test_run_that_gets_no_images_is_recorded_as_error_of_the_rig(
    project: Project, workers: str
) -> None:
    project.write(ROWS)
    project.write(
        "from harness.images import bootimage\n"
        "from harness import RigError\n"
        "def acquire(*_): raise RigError('the server is out of order')\n"
        "bootimage.acquire = acquire\n",
        "no_server.py",
    )

    result = project.run("-n", workers, "-p", "no_server", *project.fake, KEPT)

    run = report_of(project)
    assert (result.ret, run.exit_code) == (RIG_ERRORS, RIG_ERRORS)
    assert set(outcomes(run).values()) == {(Outcome.ERROR, Blame.RIG)}
    assert {test.message for test in run.tests} == {"the server is out of order"}
    assert run.machines == ()


def test_killed_run_leaves_what_it_had(project: Project) -> None:
    project.write(
        "import os, signal\n"
        "def test_first(node_after): pass\n"
        "def test_deadly(node_after, node_image_rig):\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )

    result = project.run(*project.fake, KEPT)

    assert result.ret == -signal.SIGKILL
    run = report_of(project)
    assert (run.state, run.exit_code, run.ended) == (State.RUNNING, None, "")
    assert run.subject["bootimage"] == "boot.raw"
    rebuilt = rebuild(kept(project))
    assert rebuilt.state is State.INTERRUPTED
    assert [machine.state for machine in rebuilt.machines] == [State.INTERRUPTED]
    assert "SELinux denied something" in (kept(project) / "node-image-summary.html").read_text()


def test_report_is_written_while_tests_run(project: Project) -> None:
    project.write(
        "import json, os, signal, time\n"
        "def test_first(node_after): pass\n"
        "def test_deadly(node_after, node_image_rig):\n"
        "    report = node_image_rig.evidence / 'report.json'\n"
        "    while 'test_first' not in report.read_text(): time.sleep(0.1)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )

    project.run(*project.fake, KEPT)

    run = report_of(project)
    assert outcomes(run) == {"test_first[fake]": (Outcome.PASSED, None)}
    assert [machine.name for machine in run.machines] == ["fake"]
    assert run.notes == ("not over: test_it.py::test_deadly[fake]",)


def test_test_that_kills_its_worker_is_not_run_again(project: Project) -> None:
    project.write(
        "import os, signal\n"
        "def test_deadly(node_after): os.kill(os.getpid(), signal.SIGKILL)\n"
        "def test_after(node_after): pass\n"
    )

    project.run("-n", "1", *project.fake, KEPT)

    assert project.log.count("up fake") == 2, "once for the deadly test, once for what is left"
    assert outcomes(report_of(project))["test_after[fake]"] == (Outcome.PASSED, None)


def test_worker_that_dies_is_the_rigs_error(project: Project) -> None:
    project.write(
        "import os, signal\n"
        "def test_deadly(node_after): os.kill(os.getpid(), signal.SIGKILL)\n"
        "def test_other(): pass\n"
    )

    result = project.run("-n", "2", "--max-worker-restart=0", *project.fake, KEPT)

    run = report_of(project)
    assert result.ret == RIG_ERRORS
    assert outcomes(run)["test_deadly[fake]"] == (Outcome.ERROR, Blame.RIG)
    assert outcomes(run)["test_other"] == (Outcome.PASSED, None)
    assert [machine.state for machine in run.machines] == [State.INTERRUPTED]


def test_interrupted_run_says_so(project: Project) -> None:
    project.write("def test_stopped(node_after): raise KeyboardInterrupt\n")

    result = project.run(*project.fake, KEPT)

    assert result.ret == pytest.ExitCode.INTERRUPTED
    run = report_of(project)
    assert (run.state, run.exit_code) == (State.INTERRUPTED, 2)
    assert [machine.state for machine in run.machines] == [State.FINISHED]


def test_report_that_cannot_be_written_does_not_change_the_verdict(project: Project) -> None:
    project.write(
        "def test_plain(node_after, node_image_rig):\n"
        "    report = node_image_rig.evidence / 'report.json'\n"
        "    report.unlink()\n"
        "    (report / 'in-the-way').mkdir(parents=True)\n"
    )

    result = project.run(*project.fake, KEPT, "-W", "error")

    assert result.ret == pytest.ExitCode.OK
    shown = [line for line in result.outlines if "the report is not complete" in line]
    assert len(shown) == 1
    assert shown[0].startswith("note     the report is not complete: ")


def test_folder_that_cannot_be_made_is_the_error_of_the_tests(project: Project) -> None:
    project.write(ROWS)
    (project.folder / "kept").touch()

    result = project.run(*project.fake, KEPT)

    result.assert_outcomes(errors=2)
    result.stdout.fnmatch_lines(["*/kept: cannot be written: *"])
    assert project.log == []
