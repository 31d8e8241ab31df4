"""A project's own files, type-checked outside the checkout against the installed package."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from harness import Deadline, process

PROJECTS = Path(__file__).parents[1] / "projects"
TESTS = """
from collections.abc import Callable

from harness import AppliedNode, AppliedNodes, Deadline, Level, NodeState, PackageRow, Session


def test_unit(node_after: NodeState) -> None:
    assert node_after.units["my.service"].active == "active"


def test_versions(node_before: NodeState, applied_nodes: AppliedNodes) -> None:
    (kernel,) = node_before.packages["kernel"]
    assert [node.after.packages["kernel"] for node in applied_nodes.values()] == [(kernel,)]


def test_tool(
    applied_node: AppliedNode, node_session: Session, guest_deadline: Callable[[float], Deadline]
) -> None:
    assert node_session.run("my-tool --version", guest_deadline(30.0)).stdout == "1.0\\n"
    assert applied_node.reboots == 0


def test_row(verdict: Callable[[PackageRow], None], package_row: PackageRow) -> None:
    verdict(package_row)


def test_ready(reach: Callable[[Level], str], readiness_level: Level) -> None:
    reach(readiness_level)
"""
WRONG = """
from harness import AppliedNode, Nonsense


def seconds(node: AppliedNode) -> float:
    return node.after.kernel
"""


def checked(folder: Path, *, is_right: bool) -> str:
    """Return what mypy says of a folder, to which the checkout is an installed package."""
    argv = [sys.executable, "-m", "mypy", "--strict", "--cache-dir=.cache", "."]
    done = process.run(argv, Deadline.after(240.0), cwd=folder, check=is_right)
    return done.stdout


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("typed")


def test_project_is_typed(folder: Path) -> None:
    (folder / "test_it.py").write_text(TESTS)
    for path in PROJECTS.glob("*.py"):
        shutil.copy(path, folder)

    assert "Success: no issues found in 3 source files" in checked(folder, is_right=True)


def test_wrong_use_is_found(folder: Path) -> None:
    (folder / "wrong.py").write_text(WRONG)

    found = checked(folder, is_right=False)

    assert 'Module "harness" has no attribute "Nonsense"' in found
    assert 'Incompatible return value type (got "str", expected "float")' in found
