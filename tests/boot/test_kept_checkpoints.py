"""Checkpoints of one run, from which later runs go on: at a named point and at the scenario's end.

The later runs are by `node-image spawn`, so that each is a process of its own.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest
from owned import Place, emptied_place

from harness.player.applied import APPLIED
from harness.player.steps import NODE_LAYER

PROGRAM = (sys.executable, "-c", "from harness.cli import main; main()")
LIMIT_S = 2400.0
SCENARIO = "ipi_bootstrap"
TESTS = f"""
import pytest

@pytest.mark.destructive(at={NODE_LAYER!r})
def test_early(forked_node):
    assert forked_node().session

@pytest.mark.destructive
def test_end(node_session):
    assert node_session
"""
# The commands print a line for each answer.
IMAGE = r"10\.0\.2\.2:[0-9]+/pause@sha256:[0-9a-f]+"
PULL = (
    f"image=$(sudo grep -r --only-matching --no-filename -E '{IMAGE}' /etc/crio | head -n 1)",
    "sudo podman pull --quiet $image >/dev/null && echo pulled",
)
KUBELET = "systemctl is-active kubelet crio | sort --unique"
API = "curl --silent --insecure --max-time 60 https://127.0.0.1:6443/readyz; echo"


@pytest.fixture
def place() -> Iterator[Place]:
    with emptied_place() as found:
        yield found


def run(place: Place, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        words, env={**os.environ, **place.env}, stdin=subprocess.DEVNULL, capture_output=True,
        text=True, check=False, timeout=LIMIT_S, cwd=place.folder,
    )  # fmt: skip


@pytest.mark.nightly
def test_later_runs_go_on_from_a_named_point_and_from_the_end(place: Place) -> None:
    (place.folder / "test_destructive.py").write_text(TESTS)
    options = ("--checkpoints=keep", "--artifacts-dir=artifacts")
    first = run(place, sys.executable, "-m", "pytest", f"--scenario={SCENARIO}", *options)
    assert first.returncode == 0, first.stdout

    for step, commands, answers in (
        (NODE_LAYER, PULL, ["pulled"]),
        (APPLIED, (*PULL, KUBELET, API), ["pulled", "active", "ok"]),
    ):
        asked = ("spawn", SCENARIO, f"--at={step}", *options, "--", "; ".join(commands))
        later = run(place, *PROGRAM, *asked)

        assert f"{SCENARIO}: forks start from the checkpoint {step} of " in later.stderr
        assert later.stdout.splitlines() == answers, later.stderr
        assert later.returncode == 0
