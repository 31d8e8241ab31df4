"""Destructive tests: each gets a node of its own, and the report says which kind."""

from __future__ import annotations

import json

import pytest
from throwaway import Project

pytest_plugins = ["pytester", "throwaway_fixtures"]

TESTS = """
import pytest

sessions = []

def test_shared(node_session):
    sessions.append(node_session)

@pytest.mark.destructive
@pytest.mark.parametrize("number", [1, 2])
def test_own(node_session, number):
    assert node_session not in sessions
    sessions.append(node_session)

def test_shared_again(node_session):
    assert node_session is sessions[0]

def test_factory(forked_node, applied_node):
    one, other = forked_node(), forked_node()
    assert len({applied_node.session, one.session, other.session}) == 3

@pytest.mark.destructive(at="login")
def test_early(forked_node):
    assert forked_node().session not in sessions

def test_without_a_node(node_image):
    pass
"""
FORK = ["fork fake applied", "end fork fake applied"]


def kinds_of(project: Project) -> dict[str, str]:
    path = project.folder / "artifacts/last/report.json"
    tests = json.loads(path.read_text())["tests"]
    return {test["id"].partition("::")[2]: test["node"] for test in tests}


def run(project: Project, *options: str) -> pytest.RunResult:
    return project.run(*project.fake, "--artifacts-dir=artifacts", *options)


def test_each_destructive_test_has_a_fork_and_the_scenario_boots_once(project: Project) -> None:
    project.write(TESTS)

    run(project).assert_outcomes(passed=7)

    ups = [line for line in project.log if line.startswith(("up", "down", "save"))]
    assert ups == ["up fake", "save applied login", "down fake"]
    assert project.log.count("fork fake applied") == 4
    assert project.log.count("fork fake login") == 1
    assert project.log.count("end fork fake applied") == 4
    assert kinds_of(project) == {
        "test_shared[fake]": "cold",
        "test_own[fake-1]": "forked",
        "test_own[fake-2]": "forked",
        "test_shared_again[fake]": "cold",
        "test_factory[fake]": "forked",
        "test_early[fake]": "forked",
        "test_without_a_node": "",
    }
    junit = project.folder / "artifacts/last/junit.xml"
    assert junit.read_text().count('name="node" value="forked"') == 4


def test_fresh_boots_a_machine_for_each_destructive_test(project: Project) -> None:
    project.write(TESTS)

    run(project, "--fresh", "-k", "own or shared").assert_outcomes(passed=4, deselected=3)

    assert not [line for line in project.log if "fork" in line or "save" in line]
    assert kinds_of(project)["test_own[fake-1]"] == "cold"


def test_nothing_is_saved_for_tests_that_want_no_forks(project: Project) -> None:
    project.write(TESTS)

    run(project, "-k", "shared").assert_outcomes(passed=2, deselected=5)

    assert project.log == ["up fake", "down fake"]


def test_a_destructive_test_of_all_nodes_together_is_refused_once(project: Project) -> None:
    project.write(
        "import pytest\n\n@pytest.mark.destructive\ndef test_all(applied_nodes):\n    pass\n"
    )

    ended = run(project)

    assert ended.ret == pytest.ExitCode.USAGE_ERROR
    ended.stderr.fnmatch_lines(["*test_all*: destructive tests cannot use applied_nodes*"])
    assert project.log == []


EARLY = """
import pytest

@pytest.mark.destructive(at="login")
@pytest.mark.parametrize("number", [1, 2])
def test_early(forked_node, number):
    assert forked_node().session
"""


def test_a_kept_checkpoint_saves_the_boot(project: Project) -> None:
    project.write(EARLY)
    project.environment(KEPT="login")

    run(project, "--checkpoints=keep").assert_outcomes(passed=2)

    fork = ["fork fake login", "end fork fake login"]
    assert project.log == ["revive fake login", *fork, *fork, "end revive fake login"]
    assert set(kinds_of(project).values()) == {"forked from login of a day"}
    junit = project.folder / "artifacts/last/junit.xml"
    assert junit.read_text().count('name="node" value="forked from login of a day"') == 2


@pytest.mark.parametrize("mode", ["keep", "run"])
def test_without_a_kept_checkpoint_the_scenario_boots_once(project: Project, mode: str) -> None:
    project.write(EARLY)

    run(project, f"--checkpoints={mode}").assert_outcomes(passed=2)

    assert project.log[:2] == ["up fake", "save login"]
    assert project.log.count("fork fake login") == 2
    assert set(kinds_of(project).values()) == {"forked"}


def test_the_shared_node_comes_up_if_a_test_asks_for_it(project: Project) -> None:
    project.write(TESTS)
    project.environment(KEPT="login")

    run(project, "--checkpoints=keep").assert_outcomes(passed=7)

    assert project.log.count("up fake") == 1
    assert "revive fake login" not in project.log


def test_a_node_that_no_argument_asked_for_is_not_there(project: Project) -> None:
    project.write(
        """
import pytest
from harness import InputError

def test_it(forked_node, request):
    assert forked_node().session
    with pytest.raises(InputError, match="the shared node was not brought up"):
        request.getfixturevalue("applied_node").session
"""
    )
    project.environment(KEPT="applied")

    run(project, "--checkpoints=keep").assert_outcomes(passed=1)


def test_fresh_uses_no_kept_checkpoint(project: Project) -> None:
    project.write(EARLY)
    project.environment(KEPT="login", NODE_IMAGE_CHECKPOINTS="keep")

    run(project, "--fresh").assert_outcomes(passed=2)

    assert "revive fake login" not in project.log


NEW_MACHINE_IDS = """
import pytest

@pytest.mark.destructive(new_machine_id=True)
def test_own(node_session):
    assert node_session

@pytest.mark.destructive(at="login", new_machine_id=True)
def test_early(forked_node):
    forked_node()
    forked_node(new_machine_id=False)

def test_factory(forked_node):
    forked_node()
    forked_node(new_machine_id=True)
"""


def test_forks_get_a_machine_id_of_their_own_if_the_test_asks(project: Project) -> None:
    project.write(NEW_MACHINE_IDS)

    run(project).assert_outcomes(passed=3)

    new = [line for line in project.log if line.startswith(("fork", "new"))]
    fork, early = "fork fake applied", "fork fake login"
    assert new == [
        fork, "new machine-id", early, "new machine-id", early, fork, fork, "new machine-id"
    ]  # fmt: skip


def test_a_machine_that_was_booted_for_a_test_keeps_the_id_that_it_made(project: Project) -> None:
    project.write(NEW_MACHINE_IDS)

    run(project, "--fresh").assert_outcomes(passed=3)

    assert "new machine-id" not in project.log
