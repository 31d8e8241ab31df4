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
