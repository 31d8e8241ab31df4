"""The jobs that docs/shards.md shows start pytest with a shard, and merge all of them."""

from __future__ import annotations

import re
import shlex

import pytest
from docs_commands import Checker
from guides import blocks_of, text_of

from harness.model.shard import Shard, parse

COMMAND = re.compile(r"(?:^|[ -])((?:pytest|node-image) .*)$", re.MULTILINE)
EXPANDED = {
    "${{ matrix.shard }}": "2",
    "$SHARD_ARGS": "--shard-count 3 --shard-id 2",
    "$(find shards -name report.json)": "a/report.json b/report.json c/report.json",
}


def commands() -> list[str]:
    """Return the command lines of the page's jobs, as the shell of each job sees them."""
    jobs = [body for kind, body in blocks_of(text_of("shards.md")) if kind == "yaml"]
    found = [line for body in jobs for line in COMMAND.findall(body)]
    for text, value in EXPANDED.items():
        found = [line.replace(text, value) for line in found]
    return found


def test_jobs_are_those_of_three_systems() -> None:
    assert [line.split()[0] for line in commands()] == ["pytest", "node-image", "pytest", "pytest"]
    assert not any("$" in line for line in commands())


@pytest.mark.parametrize("line", commands())
def test_each_command_is_accepted(line: str, pytestconfig: pytest.Config) -> None:
    assert [*Checker(pytestconfig._parser.parse_known_and_unknown_args).faults(line)] == []


@pytest.mark.parametrize("line", [line for line in commands() if line.startswith("pytest")])
def test_each_job_runs_one_shard_of_three(line: str, pytestconfig: pytest.Config) -> None:
    found, _ = pytestconfig._parser.parse_known_and_unknown_args(shlex.split(line)[1:])

    assert parse("--shard", found.node_image_shard, "1") == Shard(number=2, count=3)


def test_the_indexed_job_runs_each_shard_once() -> None:
    bodies = [body for kind, body in blocks_of(text_of("shards.md")) if kind == "yaml"]
    (job,) = (body for body in bodies if "kind: Job\n" in body)

    for line in ("completionMode: Indexed", "backoffLimitPerIndex: 0", "restartPolicy: Never"):
        assert job.count(f" {line}\n") == 1
