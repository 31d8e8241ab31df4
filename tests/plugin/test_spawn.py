"""Nodes that a user keeps: a shell or a command in them, and their end, whatever ends the user's."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from spawned import Spawns, in_project
from throwaway import Project

pytest_plugins = ["pytester", "throwaway_fixtures"]


@pytest.fixture
def spawns(project: Project, monkeypatch: pytest.MonkeyPatch) -> Iterator[Spawns]:
    with in_project(project, monkeypatch) as found:
        yield found


def test_a_command_runs_in_the_node_which_ends_with_it(spawns: Spawns) -> None:
    ended = spawns.run("spawn", "fake", "--at", "login", *spawns.images, "--", "echo a; exit 7")

    assert (ended.returncode, ended.stdout) == (7, "a\n"), ended.stderr
    assert "fake: boots a machine to the step login (2 of 2); 768 MiB of memory" in ended.stderr
    assert spawns.project.log == ["up fake", "down fake"]
