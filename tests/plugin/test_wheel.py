"""The wheel as another repository gets it: data included, nothing of the checkout in reach."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from harness import process
from harness.model.clock import Deadline

CHECKOUT = Path(__file__).parents[2]
TESTS = """
from pathlib import Path

import harness


def test_package(package_row):
    pass


def test_harness_is_the_wheels():
    assert "site" in Path(harness.__file__).parts
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with nothing but the installed wheel."""
    folder = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    deadline = Deadline.after(180.0)
    process.run([*pip, "wheel", "--no-deps", "--wheel-dir", folder, CHECKOUT], deadline)
    (wheel,) = folder.glob("*.whl")
    process.run([*pip, "install", "--no-deps", "--target", folder / "site", wheel], deadline)
    return folder / "site"


def test_wheel_carries_its_tables_and_plugin(site: Path, tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(TESTS)
    argv = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "no:cacheprovider",
        "-v",
        "--expectations=ocp-4.19",
        "test_it.py",
    ]

    env = {"PYTHONPATH": os.fspath(site)}
    done = process.run(argv, Deadline.after(60.0), cwd=tmp_path, env=env)

    assert "test_package[node-openshift-kubelet] PASSED" in done.stdout
    assert "test_harness_is_the_wheels PASSED" in done.stdout


def test_wheel_carries_what_the_stand_in_is_built_from(site: Path) -> None:
    for name in ("standin/recipe.toml", "standin/tools/crictl.go", "guest/observe"):
        assert (site / "harness/fixtures" / name).is_file()


def test_wheel_carries_what_the_harness_reads_and_no_more(site: Path) -> None:
    everything = {path.name for path in (CHECKOUT / "fixtures").iterdir()}

    carried = {path.name for path in (site / "harness/fixtures").iterdir()}

    # The data of this repository's tests: goldens, recorded streams, examples, package lists.
    assert everything - carried == {"contract", "domains", "examples", "transcripts"}
    assert carried <= everything


def test_wheel_is_typed(site: Path) -> None:
    assert (site / "harness/py.typed").is_file()
