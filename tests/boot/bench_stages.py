"""The seconds of a run by stage: `tox -e bench`. They are printed, never judged.

Seconds drift between hosts; the ratios to the cold boot of the same run are what to compare.
"""

from __future__ import annotations

import json
from collections.abc import Callable

from harness.model.clock import Deadline
from harness.node.readiness import LEVELS
from harness.player.applied import AppliedNode
from harness.player.inputs import Rig

READY_S = 120.0
_MIB = 1024 * 1024


def test_stages_are_measured(
    applied_node: AppliedNode, node_image_rig: Rig, guest_deadline: Callable[[float], Deadline]
) -> None:
    for level in LEVELS:
        with applied_node.watch.phase(level.name, level.title):
            level.reach(applied_node.session, guest_deadline(READY_S))
    seconds = {
        phase.name: phase.end_s - phase.begin_s
        for phase in applied_node.watch.record.phases
        if phase.end_s is not None and phase.depth
    }
    cold_boot = seconds["login"]
    ratios = {name: round(spent / cold_boot, 2) for name, spent in seconds.items()}
    peak_mib = applied_node.machine.peak_memory_bytes() // _MIB
    for name, ratio in ratios.items():
        node_image_rig.report(f"{name}: {seconds[name]:.1f} s, {ratio:.2f} of a cold boot")
    figures = {"seconds": seconds, "of_a_cold_boot": ratios, "qemu_peak_mib": peak_mib}
    (node_image_rig.evidence / "bench.json").write_text(json.dumps(figures, indent=2))

    assert all(spent > 0 for spent in seconds.values())
    assert peak_mib > 0
