"""Seconds from the line that shows a lost boot to its report: `tox -e bench`."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from benchmarks.figures import Part, measuring
from detection import CASES, MORE_CASES, Case, detect

from harness.player.inputs import Inputs, Rig


@pytest.fixture(scope="module")
def part(node_image_rig: Rig) -> Iterator[Part]:
    rig = node_image_rig
    kind = rig.acceleration.kind.value
    with measuring("detection", own=rig.run.folder, accelerator=kind) as found:
        yield found


@pytest.mark.parametrize("case", [*CASES, *MORE_CASES], ids=str)
def test_detection_is_measured(
    case: Case, part: Part, node_image_rig: Rig, node_image_inputs: Inputs
) -> None:
    found = detect(node_image_rig, node_image_inputs, case)

    latency = f"{found.latency_s:.2f} s after its sign"
    node_image_rig.report(f"{case}: reported {latency}, as {found.rule}")
    part.add(f"{case}, from its sign to its report", [found.latency_s], "s", note=found.rule)
    assert found.rule in case.rules
