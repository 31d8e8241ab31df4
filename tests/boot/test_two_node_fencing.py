"""A project's scenario on real machines: two nodes that pivot, one of which fences the other."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest

from harness.player.inputs import Inputs, Rig
from harness.player.player import play

pytestmark = pytest.mark.nightly

PROJECT = Path(__file__).parents[1] / "projects/two_node_fencing.py"
CLIENTS = "openshift-clients"


def test_a_node_fences_the_other_which_comes_back(
    node_image_rig: Rig, node_image_inputs: Inputs
) -> None:
    spec = importlib.util.spec_from_file_location("two_node_fencing", PROJECT)
    assert spec is not None
    assert spec.loader is not None
    project: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(project)

    with play(project.SCENARIO, node_image_rig, node_image_inputs) as nodes:
        assert [node.watch.boots for node in nodes.values()] == [2, 3]
        assert all(CLIENTS in node.after.packages for node in nodes.values())

    records = [
        json.loads(path.read_text())
        for path in node_image_rig.evidence.glob("two_node_fencing_*/machine.json")
    ]
    assert {record["scenario"] for record in records} == {"two_node_fencing"}
