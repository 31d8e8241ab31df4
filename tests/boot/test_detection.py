"""Lost boots are reported by name, on real machines: one for each way to fail."""

from __future__ import annotations

import json

import pytest
from detection import CASES, Case, detect

from harness.model.record import State, Weight
from harness.model.run_folder import MACHINE_RECORD
from harness.player.inputs import Inputs, Rig

_MARKED = [
    pytest.param(case, id=str(case), marks=[pytest.mark.nightly] if case.is_nightly else [])
    for case in CASES
]


@pytest.mark.parametrize("case", _MARKED)
def test_lost_boot_is_reported_by_name(
    case: Case, node_image_rig: Rig, node_image_inputs: Inputs
) -> None:
    known = set(node_image_rig.evidence.glob(f"*/{MACHINE_RECORD}"))

    found = detect(node_image_rig, node_image_inputs, case)

    reported = str(found.error)
    node_image_rig.report(f"{case}: reported {found.latency_s:.1f} s after its sign\n{reported}")
    assert type(found.error) is case.error, reported
    assert found.rule in case.rules, reported
    assert len(reported.splitlines()) < 25
    assert "\n  advice: " in reported
    (path,) = set(node_image_rig.evidence.glob(f"*/{MACHINE_RECORD}")) - known
    record = json.loads(path.read_text())
    assert record["state"] == State.FAILED
    fatal = [one["rule"] for one in record["sightings"] if one["weight"] == Weight.FATAL]
    assert found.rule in fatal
    assert sum(phase["is_failed"] for phase in record["phases"]) == 1
    missed = {(one["command"], one["package"]) for one in record["missing_commands"]}
    assert missed == case.missing
