"""`--shard`: no test is lost or doubled, nodes stay together, and each shard leaves a report."""

from __future__ import annotations

import json
from itertools import chain
from pathlib import Path

import pytest
from click.testing import CliRunner
from left import KEPT, kept
from throwaway import ROWS, Project, usage_errors

from harness.cli import main
from harness.model.record import Outcome, RunRecord, ShardRecord, TestRecord
from harness.report import document
from harness.report.history import store

pytest_plugins = ["pytester", "throwaway_fixtures"]
PLAIN = "import pytest\n@pytest.mark.parametrize('n', range(3))\ndef test_other(n): pass\n"
SCENARIOS = ("--scenario=other_fake", "--scenario=two_fakes")


@pytest.fixture
def suite(project: Project) -> Project:
    """Three scenarios, one with two nodes, in two files, and a file without machines."""
    project.write(ROWS)
    project.write(
        "def test_state(applied_node): pass\ndef test_all(applied_nodes): pass\n", "test_b.py"
    )
    project.write(PLAIN, "test_plain.py")
    return project


def report_of(project: Project) -> RunRecord:
    """Return the last run's report."""
    return document.read(project.folder / "kept" / "last")


def collected(project: Project, *options: str) -> list[str]:
    result = project.run_inside("--collect-only", "-q", *project.fake, *SCENARIOS, *options)
    return [line for line in result.outlines if "::" in line]


@pytest.mark.parametrize(
    ("count", "selection"), [(3, ("-k", "state or other")), (2, ("-m", "node_image"))]
)
def test_no_test_is_lost_or_doubled(suite: Project, count: int, selection: tuple[str, ...]) -> None:
    every = collected(suite, *selection)

    shards = [collected(suite, *selection, f"--shard={k + 1}/{count}") for k in range(count)]

    assert sorted(chain(*shards)) == sorted(every)
    for name in ("fake", "other_fake", "two_fakes"):
        having = [ids for ids in shards if any(f"[{name}" in test for test in ids)]
        assert len(having) <= 1
    assert sum(any("test_plain" in test for test in ids) for ids in shards) <= 1


def test_shard_boots_its_scenarios_alone_and_its_report_says_which_it_is(suite: Project) -> None:
    options = (*suite.fake, *SCENARIOS, KEPT)

    first = suite.run("--shard=1/2", *options)
    booted = {line for line in suite.log if line.startswith("up ")}
    one = report_of(suite)
    (suite.folder / "log").unlink()
    suite.run("--shard=2/2", "-n", "2", *options)
    two = report_of(suite)

    assert booted == {"up two_fakes"}
    assert {line for line in suite.log if line.startswith("up ")} == {"up fake", "up other_fake"}
    assert one.shard is not None
    assert two.shard is not None
    assert (str(one.shard), str(two.shard)) == ("1/2", "2/2")
    assert one.shard.selection == two.shard.selection != ""
    assert one.shard.tests == two.shard.tests == len(one.tests) + len(two.tests) == 18
    merged = CliRunner().invoke(
        main, ["report", "merge", *map(str, (suite.folder / "kept").glob("run-*")), "-o", "whole"]
    )
    assert (merged.exit_code, merged.output) == (0, "whole/node-image-summary.html\n")
    assert {test.id for test in document.read(Path("whole")).tests} == {
        test.id for run in (one, two) for test in run.tests
    }
    first.stdout.fnmatch_lines([f"shard 1/2: {len(one.tests)} of 18 tests"])


@pytest.mark.parametrize("workers", [("-n", "2"), ("-p", "no:xdist")])
def test_empty_shard_is_green_and_leaves_a_report(suite: Project, workers: tuple[str, ...]) -> None:
    result = suite.run("--shard=9/9", *workers, *suite.fake, KEPT)

    assert result.ret == 0
    result.stdout.fnmatch_lines(["shard 9/9: no tests; the 7 selected are in other shards"])
    run = report_of(suite)
    assert run.shard is not None
    assert (run.shard.number, run.shard.count, run.shard.tests, run.tests) == (9, 9, 7, ())
    assert run.exit_code == 0


def test_shard_without_machines_leaves_a_report(suite: Project) -> None:
    suite.run("--shard=1/1", "-k", "other", KEPT)

    run = report_of(suite)
    assert len(run.tests) == 3
    assert run.shard is not None


def test_test_that_is_collected_twice_counts_once(suite: Project) -> None:
    twice = ("--keep-duplicates", "test_plain.py", "test_plain.py")

    result = suite.run_inside("--shard=1/1", *twice, KEPT)

    result.stdout.fnmatch_lines(["shard 1/1: 3 of 3 tests"])
    run = report_of(suite)
    assert run.shard is not None
    assert run.shard.tests == len(run.tests) == 3


@pytest.mark.parametrize("workers", [(), ("-n", "2")])
def test_selection_without_tests_is_no_empty_shard(
    suite: Project, workers: tuple[str, ...]
) -> None:
    result = suite.run("--shard=1/2", "-k", "nothing", *workers, *suite.fake, KEPT)

    assert result.ret == pytest.ExitCode.NO_TESTS_COLLECTED


def test_bad_shard_is_one_usage_error(suite: Project) -> None:
    result = suite.run("--shard=3/2")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert [error.partition(".")[0] for error in usage_errors(result)] == [
        "--shard: '3/2' is not one of the shards"
    ]


def test_shard_of_kubernetes_and_of_ci_operator(suite: Project) -> None:
    second = collected(suite, "--shard=2/2")

    suite.environment(JOB_COMPLETION_INDEX="1")
    assert collected(suite, "--shard=2") == second
    suite.environment(NODE_IMAGE_SHARD="--shard-count 2 --shard-id 2")
    assert collected(suite) == second


@pytest.mark.parametrize("workers", [(), ("-n", "2")])
def test_history_balances_shards_and_is_only_read(suite: Project, workers: tuple[str, ...]) -> None:
    history = suite.folder / "nightly.db"
    tests = tuple(
        TestRecord(id=f"x::{name}", outcome=Outcome.PASSED, scenario=name, duration_s=seconds)
        for name, seconds in (("fake", 900.0), ("other_fake", 400.0), ("two_fakes", 450.0))
    )
    past = RunRecord(id="run-1", started="2026-11-01T03:00:00Z", subject={}, host={}, tests=tests)
    store.append(history, past)

    suite.run("--shard=1/2", f"--history={history}", *workers, *suite.fake, *SCENARIOS, KEPT)

    assert {line for line in suite.log if line.startswith("up ")} == {"up fake"}
    assert [run.name.id for run in store.read(history).runs] == ["run-1"]


def test_another_state_of_a_test_file_is_another_selection(suite: Project) -> None:
    def selection() -> ShardRecord:
        suite.run("--shard=1/1", "-k", "other", KEPT)
        found = report_of(suite).shard
        assert found is not None
        return found

    first = selection()
    assert selection() == first
    suite.write(PLAIN + "# changed\n", "test_plain.py")

    assert selection() != first


def test_killed_run_knows_its_shard(suite: Project) -> None:
    suite.write("import os, signal\ndef test_dies(applied_node): os.kill(os.getpid(), 9)\n")

    suite.run("--shard=1/1", *suite.fake, KEPT)

    raw = json.loads((kept(suite) / "report.json").read_text())
    assert raw["state"] == "running"
    assert raw["shard"]["number"] == 1
