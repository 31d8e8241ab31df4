"""Seconds from the line that shows a lost boot to its report: `tox -e bench`."""

from __future__ import annotations

import json

import pytest
from detection import CASES, MORE_CASES, Case, detect

from harness.player.inputs import Inputs, Rig


@pytest.mark.parametrize("case", [*CASES, *MORE_CASES], ids=str)
def test_detection_is_measured(case: Case, node_image_rig: Rig, node_image_inputs: Inputs) -> None:
    found = detect(node_image_rig, node_image_inputs, case)

    latency = f"{found.latency_s:.2f} s after its sign"
    node_image_rig.report(f"{case}: reported {latency}, as {found.rule}")
    figures = node_image_rig.evidence / "detection.json"
    known = json.loads(figures.read_text()) if figures.exists() else {}
    figures.write_text(json.dumps({**known, case.name: round(found.latency_s, 2)}, indent=2))
    assert found.rule in case.rules
