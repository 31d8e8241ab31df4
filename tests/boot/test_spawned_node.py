"""`node-image spawn` as a user runs it: a command at a step, nodes that stay, and their end."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from owned import Place, emptied_place

PROGRAM = (sys.executable, "-c", "from harness.cli import main; main()")
LIMIT_S = 1800.0
# A scenario with one machine, and its first step with a login.
SCENARIO, STEP = "ipi_node", "login"


@pytest.fixture
def place() -> Iterator[Place]:
    with emptied_place() as found:
        yield found


def run(place: Place, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        (*PROGRAM, *words), env={**os.environ, **place.env}, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, check=False, timeout=LIMIT_S, cwd=place.folder,
    )  # fmt: skip


@pytest.mark.nightly
def test_command_shell_files_and_end_of_a_node(place: Place, tmp_path: Path) -> None:
    asked = ("spawn", SCENARIO, "--at", STEP, f"--artifacts-dir={tmp_path}")

    said = run(place, *asked, "--", "id -un; command -v oc; exit 9")
    begun = run(place, *asked, "--detach")
    listed = run(place, "nodes", "list").stdout
    one = run(place, "nodes", "login", SCENARIO, "--", "sudo", "cat", "/proc/1/comm")
    run(place, "nodes", "login", SCENARIO, "--", "echo from the node > file")
    copied = run(place, "nodes", "copy", f"{SCENARIO}:file", str(tmp_path))
    stopped = run(place, "nodes", "stop", SCENARIO)

    assert (said.returncode, said.stdout) == (9, "core\n"), said.stderr
    assert begun.returncode == 0, begun.stderr
    assert "goes on from" in begun.stderr or "forks start from the checkpoint" in begun.stderr
    assert listed.startswith(f"{SCENARIO}: {SCENARIO} at {STEP}, ssh port ")
    assert (one.returncode, one.stdout) == (0, "systemd\n"), one.stderr
    assert (copied.returncode, (tmp_path / "file").read_text()) == (0, "from the node\n")
    assert stopped.returncode == 0
    assert run(place, "nodes", "list").stdout.startswith("no nodes")
    assert list((tmp_path / "spawned").glob("run-*/*/console.txt"))
