"""The seconds of a run by stage: `tox -e bench`. They are printed, never judged.

Seconds drift between hosts; the ratios to the cold boot of the same run are what to compare.
"""

from __future__ import annotations

from collections.abc import Callable

from benchmarks.figures import measuring

from harness.model.clock import Deadline
from harness.node.readiness import LEVELS
from harness.player.applied import AppliedNode
from harness.player.inputs import Rig

READY_S = 120.0
_MIB = 1024 * 1024


def test_stages_are_measured(
    applied_node: AppliedNode, node_image_rig: Rig, guest_deadline: Callable[[float], Deadline]
) -> None:
    rig, scenario = node_image_rig, applied_node.watch.record.scenario
    kind = rig.acceleration.kind.value
    with measuring(f"stages of {scenario}", own=rig.run.folder, accelerator=kind) as part:
        for level in LEVELS:
            with applied_node.watch.phase(level.name, level.title):
                level.reach(applied_node.session, guest_deadline(READY_S))
        record = applied_node.watch.record
        seconds = {
            phase.name: phase.end_s - phase.begin_s
            for phase in record.phases
            if phase.end_s is not None
        }
        for name, spent in seconds.items():
            part.add(name, [spent], "s")
        for name, spent in seconds.items():
            part.ratio(f"{name} of a cold boot to login", [spent], [seconds["login"]])
        part.add("whole job, power-on to ready", [record.elapsed_s], "s")
        part.add("CPU of the harness for evidence", [record.evidence_cpu_s], "s")
        peak_mib = applied_node.machine.peak_memory_bytes() / _MIB
        part.add("QEMU's peak memory", [peak_mib], "MiB")

    assert all(spent > 0 for spent in seconds.values())
    assert peak_mib > 0
