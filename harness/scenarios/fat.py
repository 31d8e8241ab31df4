"""Fat bootimage, the control: the node packages are inside, as before the split.

The bootstrap's config has nothing to do, and nothing may change.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.guest.live_apply import snapshot_at_boot
from harness.model.ignition import Document
from harness.model.way import Way
from harness.player.given import Given
from harness.player.plan import FAT, FromDisk, MachinePlan
from harness.player.scenario import BOOTSTRAP_LEVELS, Scenario
from harness.player.steps import NODE_LAYER, Check, Checkpoint, LogIn, Reach, Step, SwitchOn
from harness.scenarios.flows.bootstrap import pieces, with_control_plane
from harness.scenarios.flows.checks import overlay_not_applied

if TYPE_CHECKING:
    from harness.player.site import Site

_NODE = "node"
_BOOT_S = 120.0


def _config(site: Site) -> Document:
    return site.document(*pieces(site), snapshot_at_boot())


def _steps(given: Given) -> tuple[Step, ...]:
    return (
        SwitchOn(machine=_NODE),
        LogIn(machine=_NODE),
        Reach(machine=_NODE, phase="multi-user", limit_s=_BOOT_S),
        Check(machine=_NODE, name="overlay-not-applied", act=overlay_not_applied),
        Checkpoint(name=NODE_LAYER),
        *with_control_plane(_NODE, given),
    )


SCENARIO = Scenario(
    name="fat",
    title="Fat bootimage, the control: live-apply has nothing to do",
    machines=(
        MachinePlan(name=_NODE, memory_mib=2048, config=_config, medium=FromDisk(image=FAT)),
    ),
    steps=_steps,
    way=Way.NONE,
    levels=BOOTSTRAP_LEVELS,
)
