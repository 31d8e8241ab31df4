"""The public face: its names, what they stand for, and that they cost nothing until used."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

import harness
from harness import Deadline, process

FACE = Path(harness.__file__)
PROJECTS = Path(__file__).parents[1] / "projects"
NAMES = """
    BOOTSTRAP_LEVELS NODE_LAYER NODE_LEVELS STANDALONE_LEVELS
    Answer AppliedNode AppliedNodes BootImage ByFirmware ByPointer Check Checkpoint Config
    ConnectionLostError Deadline DeadlineError Deployment Directory Document Dropin File FileRow
    FromDisk FromIso FromNetwork Given GuestCommandError HarnessError InMedium InputError Inputs
    InvariantRow Level Limits Link LogIn Machine MachinePlan Mount Need Nevra NodeImage NodeState
    NotYet OsReleaseRow OwnNode PackageRow PrivateLink ProductError Reach Reboot Rehearsal Request
    Result Rig RigError Route Row Running Scenario Secret Service Session Settings Site Step
    SuiteError SwitchOn Unit UnitRow UnitState User Watch Way WebServer
    live_apply live_apply_steps pivot pivot_steps play pointer refusal rehearse serve step_names
    wait_for web_server
"""
HEAVY = ("libvirt", "paramiko", "httpx", "msgspec", "cryptography", "testinfra", "dataclasses")


def imports_of(tree: ast.AST) -> set[tuple[str, str]]:
    found = (node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom))
    return {(node.module or "", alias.name) for node in found for alias in node.names}


def test_face_has_these_names() -> None:
    # A name that goes, or comes, is a change that docs/stability.md speaks of.
    assert harness.__all__ == NAMES.split()


@pytest.mark.parametrize("name", harness.__all__)
def test_name_is_what_type_checkers_take_it_for(name: str) -> None:
    known = {(name, module) for module, name in imports_of(ast.parse(FACE.read_text()))}
    (module,) = (module for known_name, module in known if known_name == name)

    assert getattr(harness, name) is getattr(sys.modules[module], name)


def test_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'harness' has no attribute 'nonsense'"):
        _ = harness.nonsense  # type: ignore[attr-defined]


def test_no_name_hides_a_room() -> None:
    rooms = {path.stem for path in FACE.parent.iterdir()}

    assert not rooms & set(harness.__all__)


def test_import_loads_nothing() -> None:
    program = f"import sys, harness; print(*({set(HEAVY)} & set(sys.modules)))"

    argv = [sys.executable, "-S", "-c", program]

    done = process.run(argv, Deadline.after(20.0), cwd=FACE.parents[1])

    assert done.stdout.strip() == ""


@pytest.mark.parametrize("path", [*PROJECTS.glob("*.py")], ids=lambda path: path.stem)
def test_project_imports_from_the_face_alone(path: Path) -> None:
    modules = {module for module, _ in imports_of(ast.parse(path.read_text()))}

    assert "harness" in modules
    assert not {module for module in modules if module.startswith("harness.")}
