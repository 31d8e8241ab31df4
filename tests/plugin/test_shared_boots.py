"""Under xdist one worker boots a scenario, and all of them run forks of its machine."""

from __future__ import annotations

import json
from collections import Counter

import pytest
from throwaway import Project

pytest_plugins = ["pytester", "throwaway_fixtures"]

TESTS = """
import os
import pathlib
import pytest

@pytest.mark.destructive(at="login")
@pytest.mark.parametrize("number", range(6))
def test_own(forked_node, number, node_image_inputs):
    assert forked_node().session
    folder = pathlib.Path(__file__).parent / "ran"
    folder.mkdir(exist_ok=True)
    worker = os.environ.get("PYTEST_XDIST_WORKER", "alone")
    (folder / f"{worker} {node_image_inputs.registry.port} {number}").touch()
"""
SHARED = """
def test_shared(node_session):
    pass

def test_shared_too(node_session):
    pass
"""


def run(project: Project, *options: str) -> pytest.RunResult:
    return project.run(*project.fake, "--artifacts-dir=artifacts", "-n", "2", *options)


def kinds_of(project: Project) -> Counter[str]:
    path = project.folder / "artifacts/last/report.json"
    return Counter(test["node"] for test in json.loads(path.read_text())["tests"])


def ran(project: Project) -> tuple[set[str], set[str]]:
    """Return the workers that ran the destructive tests, and the ports of their registries."""
    words = [path.name.split() for path in (project.folder / "ran").iterdir()]
    return {worker for worker, *_ in words}, {port for _, port, _ in words}


def test_one_worker_boots_for_the_forks_of_all(project: Project) -> None:
    project.write(TESTS)

    run(project).assert_outcomes(passed=6)

    assert Counter(project.log)["up fake"] == 1
    assert Counter(project.log)["revive fake login"] == 1
    assert kinds_of(project) == {"forked": 6}
    workers, registries = ran(project)
    assert workers == {"gw0", "gw1"}
    assert len(registries) == 1


def test_the_worker_with_the_shared_node_is_the_one_that_boots(project: Project) -> None:
    project.write(TESTS + SHARED)

    run(project).assert_outcomes(passed=8)

    assert Counter(project.log)["up fake"] == 1
    assert kinds_of(project) == {"forked": 6, "cold": 2}
    assert ran(project)[0] == {"gw0", "gw1"}


def test_a_scenario_that_cannot_be_shared_boots_once_in_one_worker(project: Project) -> None:
    project.write(TESTS)
    project.environment(FAULT="unkept")

    run(project).assert_outcomes(passed=6)

    assert Counter(project.log)["up fake"] == 1
    assert len(ran(project)[0]) == 1
    assert kinds_of(project) == {"forked": 6}


def test_another_worker_boots_after_the_death_of_one_in_its_boot(project: Project) -> None:
    project.write(TESTS)
    project.environment(FAULT="dies-once")

    run(project).assert_outcomes(passed=5, errors=1)

    assert Counter(project.log)["up fake"] == 2
    assert Counter(project.log)["save login"] == 1
    assert len(ran(project)[1]) == 1


def test_a_fresh_run_shares_nothing(project: Project) -> None:
    project.write(TESTS)

    run(project, "--fresh").assert_outcomes(passed=6)

    assert kinds_of(project) == {"cold": 6}
    assert not [line for line in project.log if line.startswith(("save", "fork", "revive"))]


def test_workers_without_a_common_registry_boot_by_themselves(project: Project) -> None:
    project.write(TESTS)

    run(project, "--dist=loadfile").assert_outcomes(passed=6)

    assert Counter(project.log)["up fake"] == 1
    assert kinds_of(project) == {"forked": 6}
