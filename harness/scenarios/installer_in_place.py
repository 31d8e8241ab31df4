"""The installer's own config of a single node, booted as it is until the node on the disk is up.

The config of the disk is made in the guest, by the cluster to be: what lets the harness in there
comes to it by Ignition's own merging, when it is whole and before it is installed.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from harness.diagnosis import events
from harness.guest import install, pivot
from harness.guest.installer_variant import Variant, variant_of
from harness.guest.keys import RunKeys, make_run_keys
from harness.guest.kubelet import probe_file
from harness.model.errors import InputError
from harness.model.ignition import Config, Document
from harness.scenarios import installer_config, stages
from harness.scenarios.config import access_pieces, whole
from harness.scenarios.medium import MemoryBudget, insist_on_budget
from harness.scenarios.scenario import AppliedNode, Inputs, Rig
from harness.scenarios.start import Boot, MachinePlan, SwitchedOn

# Of the 16 GiB that a single node needs at least; its control plane's images are in memory.
_BUDGET = MemoryBudget(writable_mib=10_240)
# For hardware acceleration; the installer's own loops have no end.
_INSTALLED_S = 2700.0
"""From multi-user.target of the live system: the control plane, its logs, the install."""
_REBOOT_S = 360.0
"""The installer reboots after a minute."""
_PIVOTED_S = 1200.0
_BACK_S = 120.0


@contextmanager
def bring_up(
    plan: MachinePlan, switched_on: SwitchedOn, document: Document, rig: Rig, inputs: Inputs
) -> Iterator[AppliedNode]:
    """Hold the node that `document`, the config of a single node, makes of a live medium.

    Raises:
        InputError: the config is one for another scenario, or damaged.
        ProductError: the medium, the config or what it pulls failed.
        RigError: the host failed.
    """
    variant = variant_of(document)
    if not variant.is_in_place:
        raise InputError(
            "--bootstrap-ignition", f"is of a bootstrap machine, and {plan.name} is a single node",
            "give what `openshift-install create single-node-ignition-config` writes, or take "
            "the scenario ipi_bootstrap",
        )  # fmt: skip
    keys = make_run_keys()
    merged = whole(pieces(inputs, keys, variant), (document, *inputs.extra_ignition))
    with switched_on(rig, inputs, plan, merged) as boot:
        installer_config.tell(boot, variant)
        with stages.logged_in(boot, keys) as session:
            installer_config.wait_for_live_apply(boot, variant)
            _follow_to_disk(boot, session)
            stages.wait_until_settled(boot, session)
            yield stages.applied(boot, session, pivot.BEFORE)


def pieces(inputs: Inputs, keys: RunKeys, variant: Variant) -> tuple[Config, ...]:
    """Return what is added to the live system's config, and through it to the disk's."""
    on_disk = (
        *access_pieces(inputs, keys), *pivot.followed(),
        Config(files=(probe_file(inputs.pause_image),)),
    )  # fmt: skip
    return (
        *installer_config.pieces(inputs, keys, variant),
        install.followed(whole(on_disk, ()), variant.disk),
    )


def _follow_to_disk(boot: Boot, session: stages.Returning) -> None:
    """Follow the machine through its install, and the installed system through its pivot."""
    factor = boot.rig.timeout_factor
    stages.wait_for_stage(boot, install.STAGE, _INSTALLED_S * factor)
    boot.timings_s.update(events.durations_s(boot.watch.events))
    insist_on_budget(boot, _BUDGET)
    with boot.timed("installed-boot"):
        stages.wait_for_boot(boot, session, 2, _REBOOT_S)
    with boot.timed("pivot"):
        stages.wait_for_boot(boot, session, 3, _PIVOTED_S)
    # The live system was there, and this one is to be; the one that pivots is not.
    stages.wait_for_multi_user(boot, _BACK_S * factor, 2)
