"""What workers report reaches the controller's terminal at once, and its log."""

from __future__ import annotations

from pathlib import Path

import pytest
from left import KEPT, kept
from throwaway import ROWS, Project

pytest_plugins = ["pytester", "throwaway_fixtures"]
LINE = "stand-in: compiling kubelet"
SLOW_IMAGES = f"""
import time
from pathlib import Path
from harness import RigError
from harness.images import bootimage

acquire = bootimage.acquire

def slow(named, sha256, cache, deadline):
    cache.report({LINE!r})
    given_up_s = time.monotonic() + 30
    while not Path("seen").exists():
        if time.monotonic() > given_up_s:
            raise RigError("nobody saw the line while the images were prepared")
        time.sleep(0.05)
    return acquire(named, sha256, cache, deadline)

bootimage.acquire = slow
"""
REPORTS_RELAY = """
from pathlib import Path

def test_other(pytestconfig):
    relay = Path(pytestconfig.workerinput["node_image_meeting"]) / "progress"
    Path("seen").write_text(str(relay.parent))
    assert relay.parent.is_dir()
"""


@pytest.mark.parametrize("workers", ["0", "2"])
def test_preparation_is_shown_while_it_lasts(project: Project, workers: str) -> None:
    project.write(ROWS)
    project.write(SLOW_IMAGES, "slow_images.py")

    with project.start("-n", workers, "-p", "slow_images", *project.fake, KEPT) as child:
        assert child.stdout is not None
        for line in child.stdout:
            if line.decode().rstrip().endswith(f"s] {LINE}"):
                break
        assert not (project.folder / "kept").exists(), "the run has no folder yet"
        (project.folder / "seen").touch()
        rest = child.stdout.read().decode()

    assert (child.returncode, "2 passed" in rest) == (0, True), rest
    log = (kept(project) / "progress.log").read_text()
    assert log.count(LINE) == max(1, int(workers))
    assert log.index(LINE) < log.index("fake comes up")


def test_lines_before_a_failed_preparation_are_in_the_log(project: Project) -> None:
    project.write(ROWS)
    project.write(SLOW_IMAGES.replace("+ 30", "- 1"), "slow_images.py")

    project.run("-p", "slow_images", *project.fake, KEPT).assert_outcomes(errors=2)

    assert LINE in (kept(project) / "progress.log").read_text()


def test_run_leaves_no_file_of_its_workers(project: Project) -> None:
    project.write(REPORTS_RELAY)

    project.run("-n", "1").assert_outcomes(passed=1)

    assert not Path((project.folder / "seen").read_text()).exists()
