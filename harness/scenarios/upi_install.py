"""UPI by install: a live medium writes the bootimage to disk, whose first boot is the bootstrap.

The bootstrap's config goes to the boot partition, and Ignition takes it from there.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from harness.guest import install
from harness.guest.install import install_to_disk
from harness.guest.keys import make_run_keys
from harness.guest.live_apply import Limits, live_apply
from harness.model.ignition import render
from harness.scenarios import stages
from harness.scenarios.config import access_pieces, insist_valid, node_pieces, whole
from harness.scenarios.medium import booted_from_iso, follow_install, live_plan
from harness.scenarios.needs import Need
from harness.scenarios.scenario import AppliedNode, Inputs, Rig, Scenario

_PLAN = live_plan("upi_install", 2048)


@contextmanager
def _bring_up(rig: Rig, inputs: Inputs) -> Iterator[AppliedNode]:
    keys = make_run_keys()
    limits = Limits().scaled(rig.timeout_factor)
    pieces = (*node_pieces(inputs, keys), live_apply(inputs.pull_spec, limits))
    installed = whole(pieces, inputs.extra_ignition)
    insist_valid(render(installed), rig.run.folder)
    installer = install_to_disk(installed, install.Limits().scaled(rig.timeout_factor))
    medium = whole((*access_pieces(inputs, keys), installer), ())
    with (
        booted_from_iso(rig, inputs, _PLAN, medium) as boot,
        stages.logged_in(boot, keys) as session,
    ):
        follow_install(boot, session)
        stages.wait_for_live_apply(boot, limits)
        stages.wait_until_settled(boot, session)
        yield stages.applied(boot, session)


SCENARIO = Scenario(
    name=_PLAN.name,
    title="UPI by install: coreos-installer on a live ISO, live-apply at the disk's first boot",
    memory_mib=_PLAN.memory_mib,
    bring_up=_bring_up,
    reboots=1,
    needs=(Need.LIVE_ISO, Need.SINGLE_PATH),
)
