"""`--debug-node`: a shell in the node of a red test; without a terminal the run only says so."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
from collections.abc import Iterator

import pytest
from spawned import Spawns, in_project
from throwaway import Project, usage_errors

pytest_plugins = ["pytester", "throwaway_fixtures"]

TESTS = """
import pytest

def test_red(node_host, node_session):
    assert node_session is None, "the reason"

def test_green(node_session):
    pass

@pytest.mark.destructive
def test_own(applied_node):
    raise ValueError("another reason")
"""


@pytest.fixture
def spawns(project: Project, monkeypatch: pytest.MonkeyPatch) -> Iterator[Spawns]:
    project.write(TESTS.replace("node_host, ", ""))
    with in_project(project, monkeypatch) as found:
        yield found


def on_a_terminal(spawns: Spawns, typed: str, *options: str) -> tuple[int, str]:
    """Run pytest on a pseudo terminal, on which all is typed at once."""
    words = (sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--debug-node", *options)
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        (*words, *spawns.project.fake), stdin=theirs, stdout=theirs, stderr=theirs,
        cwd=spawns.project.folder, start_new_session=True,
    ) as child:  # fmt: skip
        os.close(theirs)
        os.write(ours, typed.encode())
        shown = b""
        while select.select([ours], [], [], 240)[0]:
            try:
                shown += os.read(ours, 1 << 16)
            except OSError:  # the other end is closed
                break
        status = child.wait(timeout=240)
    os.close(ours)
    return status, shown.decode().replace("\r", "")


def test_each_red_test_gets_a_shell_before_its_node_goes_away(spawns: Spawns) -> None:
    typed = "cat log | tail -1; exit 4\necho second shell; exit\n"

    status, shown = on_a_terminal(spawns, typed)

    assert status == 1
    assert "--debug-node: test_it.py::test_red[fake]" in shown
    assert "the reason" in shown.partition("fake: log in with")[0] or "the reason" in shown
    assert "second shell\n" in shown
    assert shown.count("the run goes on when this shell ends") == 2
    assert "2 failed, 1 passed" in shown
    assert len(spawns.ssh_log) == 2
    assert spawns.project.log[-1] == "down fake"


def test_exitfirst_stops_after_the_shell(spawns: Spawns) -> None:
    status, shown = on_a_terminal(spawns, "exit\n", "-x")

    assert status == 1
    assert "1 failed in " in shown
    assert len(spawns.ssh_log) == 1


def test_a_run_without_a_terminal_goes_on(spawns: Spawns) -> None:
    result = spawns.project.run(*spawns.project.fake, "--debug-node")

    result.assert_outcomes(failed=2, passed=1)
    said = [line for line in result.outlines if line.startswith("--debug-node: ")]
    assert said == ["--debug-node: standard input is not a terminal: the run goes on"]


def test_workers_of_xdist_are_refused(project: Project) -> None:
    project.write(TESTS)

    result = project.run("-n", "2", "--debug-node", *project.fake)

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert usage_errors(result) == [
        "--debug-node: cannot be used with workers of xdist. Remove -n."
    ]
