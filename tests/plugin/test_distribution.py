"""Under xdist each scenario is brought up once, by one worker, and other tests spread."""

from __future__ import annotations

import pytest
from throwaway import ROWS, Project

pytest_plugins = ["pytester", "throwaway_fixtures"]
MORE = "def test_state(node_after): pass\ndef test_judged_again(verdict, package_row): pass\n"


@pytest.mark.parametrize("workers", ["2", "3"])
def test_scenario_is_brought_up_once(project: Project, workers: str) -> None:
    project.write(ROWS)
    project.write(MORE, "test_more.py")

    result = project.run("-n", workers, *project.fake, "--scenario=other_fake")

    result.assert_outcomes(passed=10)
    assert sorted(project.log) == ["down fake", "down other_fake", "up fake", "up other_fake"]


def test_kinds_of_red_travel_from_workers(project: Project) -> None:
    project.write(ROWS)
    project.environment(FAULT="product")

    project.run("-n", "2", *project.fake).assert_outcomes(failed=2)


def test_project_without_nodes_keeps_the_scheduler_of_xdist(project: Project) -> None:
    project.write("import pytest\n@pytest.mark.parametrize('n', range(9))\ndef test_other(n): pass")
    project.write(
        (project.folder / "conftest.py").read_text()
        + "\ndef pytest_xdist_node_collection_finished(node):\n"
        "    node.config.seen = node.config.pluginmanager.getplugin('dsession')\n"
        "def pytest_sessionfinish(session):\n"
        "    if hasattr(session.config, 'seen'):\n"
        "        note(type(session.config.seen.sched._chosen).__name__)\n",
        "conftest.py",
    )

    project.run("-n", "2").assert_outcomes(passed=9)

    assert project.log == ["LoadScheduling"]


def test_worker_count_is_bounded_by_memory_when_several_machines_may_run(project: Project) -> None:
    project.write("def test_other(): pass")
    project.write(
        "from harness.machine.ownership import memory\n"
        "memory.survey = lambda: memory.Survey(host_bytes=1000 * memory.MIB, cgroup=None)\n",
        "little_memory.py",
    )
    project.environment(PYTEST_XDIST_AUTO_NUM_WORKERS="2")
    options = ("-p", "little_memory", "-n", "auto", "--scenario=fake")

    project.run(*options).stdout.fnmatch_lines(["*2 workers*"])
    project.run(*options, "--scenario=other_fake").stdout.fnmatch_lines(["*1 worker *"])
