"""Workers of xdist on real machines: one of them boots, all fork, and one may die in its boot.

The scenario is a bootimage with nothing but a login.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from owned import ROOT, Place, emptied_place

from harness.model.clock import Deadline, NotYet, wait_for

LIMIT_S = 1800.0
TESTS = 5
STEPS = re.compile(r"bench_boot: step 2 of 3, login$", re.MULTILINE)
CONFTEST = """
import os
import pathlib
from benchmarks.scenario import SCENARIO

def pytest_configure(config):
    if worker := os.environ.get("PYTEST_XDIST_WORKER"):
        pathlib.Path(f"pid-{worker}").write_text(str(os.getpid()))

def pytest_node_image_scenarios(config):
    return [SCENARIO]
"""
PROJECT = f"""
import os
import pathlib
import pytest

@pytest.mark.destructive(at="login")
@pytest.mark.parametrize("number", range({TESTS}))
def test_own(forked_node, number, guest_deadline):
    session = forked_node().session
    assert session.run("test ! -e /var/mark", guest_deadline(60.0)).status == 0
    session.run("touch /var/mark", guest_deadline(60.0), check=True)
    pathlib.Path(f"ran-{{number}}").write_text(os.environ["PYTEST_XDIST_WORKER"])
"""


@dataclass
class Project:
    """A project of destructive tests, and its run by two workers."""

    folder: Path
    place: Place

    def start(self) -> subprocess.Popen[str]:
        (self.folder / "conftest.py").write_text(CONFTEST)
        (self.folder / "test_own.py").write_text(PROJECT)
        paths = os.pathsep.join((self.place.env["PYTHONPATH"], str(ROOT / "tests")))
        return subprocess.Popen(
            (sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-n", "2",
             "--scenario=bench_boot", "--artifacts-dir=artifacts", "--rootdir=."),
            cwd=self.folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True,
            env={**os.environ, **self.place.env, "PYTHONPATH": paths},
        )  # fmt: skip

    @property
    def workers(self) -> set[str]:
        """The workers that ran a test to its end."""
        return {path.read_text() for path in self.folder.glob("ran-*")}

    @property
    def boots(self) -> int:
        """How often a machine was switched on."""
        logs = (self.folder / "artifacts").glob("run-*/progress.log")
        return sum(len(STEPS.findall(log.read_text())) for log in logs)

    def kinds(self) -> Counter[str]:
        text = (self.folder / "artifacts/last/report.json").read_text()
        return Counter(test["node"] for test in json.loads(text)["tests"])

    def first_booting(self) -> int:
        """Return the process of the worker that waits for its machine's login."""
        records = list(self.place.runs.glob("run-*/domains/*.json"))
        if not records or not self.boots:
            raise NotYet("no machine is switched on")
        (run,) = {path.parents[1] for path in records}
        owners = {int(path.read_text()) for path in self.folder.glob("pid-gw*")}
        for owner in owners:
            for link in Path(f"/proc/{owner}/fd").iterdir():
                if link.exists() and run in link.resolve().parents:
                    return owner
        raise NotYet("no worker has its run")


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    with emptied_place() as place:
        yield Project(folder=tmp_path, place=place)


@pytest.mark.nightly
def test_one_worker_boots_and_the_tests_of_both_are_forks(project: Project) -> None:
    ended, _ = project.start().communicate(timeout=LIMIT_S)

    assert f"{TESTS} passed" in ended
    assert project.boots == 1, ended
    assert project.kinds() == {"forked": TESTS}
    assert project.workers == {"gw0", "gw1"}
    assert ended.count("forks start from the checkpoint login") == 1


@pytest.mark.nightly
def test_another_worker_boots_if_one_is_killed_in_its_boot(project: Project) -> None:
    child = project.start()
    booting = wait_for("a boot", project.first_booting, Deadline.after(LIMIT_S), tick_s=0.1)
    os.kill(booting, signal.SIGKILL)
    ended, _ = child.communicate(timeout=LIMIT_S)

    assert f"{TESTS - 1} passed, 1 error" in ended
    assert project.boots == 2, ended
    assert project.kinds()["forked"] == TESTS - 1
