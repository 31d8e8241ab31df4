"""Fat bootimage, the control: the node packages are inside, as before the split.

The same config as for the bootstrap has nothing to do, and nothing may change.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from harness.guest.keys import make_run_keys
from harness.guest.live_apply import snapshot_at_boot
from harness.scenarios import stages, start
from harness.scenarios.bootstrap import LEVELS, finished, pieces
from harness.scenarios.config import whole
from harness.scenarios.needs import Need
from harness.scenarios.scenario import AppliedNode, Inputs, Rig, Scenario, Way
from harness.scenarios.start import MachinePlan

_PLAN = MachinePlan(name="fat", memory_mib=2048)
# For hardware acceleration; `Rig.timeout_factor` stretches it.
_BOOT_S = 120.0


@contextmanager
def _bring_up(rig: Rig, inputs: Inputs) -> Iterator[AppliedNode]:
    keys = make_run_keys()
    document = whole((*pieces(rig, inputs, keys), snapshot_at_boot()), inputs.extra_ignition)
    fat = replace(inputs, bootimage=inputs.fat_bootimage())
    with (
        start.switched_on(rig, fat, _PLAN, document) as boot,
        stages.logged_in(boot, keys) as session,
    ):
        stages.wait_for_multi_user(boot, _BOOT_S * rig.timeout_factor)
        if boot.watch.has_passed(stages.OVERLAY):
            raise boot.watch.failed("live-apply ran on a bootimage that has the node layer inside")
        yield finished(boot, session, inputs)


SCENARIO = Scenario(
    name=_PLAN.name,
    title="Fat bootimage, the control: live-apply has nothing to do",
    memory_mib=_PLAN.memory_mib,
    bring_up=_bring_up,
    way=Way.NONE,
    levels=LEVELS,
    needs=(Need.FAT_BOOTIMAGE,),
)
