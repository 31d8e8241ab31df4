"""UPI by install: a live medium writes the bootimage to disk, whose first boot is the bootstrap.

The bootstrap's config goes to the boot partition, and Ignition takes it from there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.guest.install import install_to_disk
from harness.guest.limits import LIMITS
from harness.guest.live_apply import live_apply
from harness.guest.validation import whole
from harness.model.ignition import Document
from harness.player.given import Given
from harness.player.needs import Need
from harness.player.plan import live_machine
from harness.player.scenario import Scenario
from harness.player.steps import NODE_LAYER, Checkpoint, LogIn, Reach, Reboot, Step, SwitchOn
from harness.scenarios.flows.bootstrap import live_apply_steps

if TYPE_CHECKING:
    from harness.player.site import Site

_NODE = "node"


def _config(site: Site) -> Document:
    installed = site.nested(*site.kubelet, live_apply(site.inputs.pull_spec, site.limits))
    return whole((*site.access, install_to_disk(installed, site.limits)))


def _steps(given: Given) -> tuple[Step, ...]:
    return (
        SwitchOn(machine=_NODE),
        LogIn(machine=_NODE),
        Reach(machine=_NODE, phase="install", limit_s=LIMITS.install_end_s),
        Reboot(machine=_NODE),
        *live_apply_steps(_NODE, given),
        Checkpoint(name=NODE_LAYER),
    )


SCENARIO = Scenario(
    name="upi_install",
    title="UPI by install: coreos-installer on a live ISO, live-apply at the disk's first boot",
    machines=(live_machine(_NODE, 2048, _config),),
    steps=_steps,
    needs=(Need.SINGLE_PATH,),
)
