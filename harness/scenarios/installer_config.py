"""The installer's own bootstrap config, booted as it is.

To it come only what lets the harness in, what lets evidence out, and what the rig needs: trust in
the run's registry, the login, and the probe pod. Where both say something, the installer's counts.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from harness.guest.installer_variant import Variant, variant_of
from harness.guest.keys import RunKeys, make_run_keys
from harness.guest.kubelet import probe_file
from harness.guest.live_apply import reports
from harness.model.errors import InputError
from harness.model.ignition import Config, Document
from harness.scenarios import stages
from harness.scenarios.config import access_pieces, whole
from harness.scenarios.scenario import AppliedNode, Inputs, Rig
from harness.scenarios.start import Boot, MachinePlan, SwitchedOn

_UP_S = 1800.0
"""From the login to multi-user.target, for hardware acceleration: two pulls, by endless loops."""
_TIMED = {"overlay-pull": "pull", "overlay-checkout": "checkout", stages.OVERLAY: "overlay"}
"""Phases by the stages that the harness's own live-apply tells of."""


def pieces(inputs: Inputs, keys: RunKeys, variant: Variant) -> tuple[Config, ...]:
    """Return what is added to the installer's config."""
    return (
        *access_pieces(inputs, keys),
        reports(variant.overlay_unit, variant.reported),
        Config(files=(probe_file(inputs.pause_image),)),
    )


@contextmanager
def bring_up(
    plan: MachinePlan, switched_on: SwitchedOn, document: Document, rig: Rig, inputs: Inputs
) -> Iterator[AppliedNode]:
    """Hold the node that `document`, the bootstrap config of a cluster, makes of the bootimage.

    Raises:
        InputError: the config is one for another scenario, or damaged.
        ProductError: the bootimage, the config or what it pulls failed.
        RigError: the host failed.
    """
    variant = variant_of(document)
    if variant.is_in_place:
        raise InputError(
            "--bootstrap-ignition", f"is of a single node, which {plan.name} cannot install",
            "take the scenario sno or sno_pxe, or give the bootstrap.ign of a cluster",
        )  # fmt: skip
    keys = make_run_keys()
    merged = whole(pieces(inputs, keys, variant), (document, *inputs.extra_ignition))
    with switched_on(rig, inputs, plan, merged) as boot:
        tell(boot, variant)
        with stages.logged_in(boot, keys) as session:
            wait_for_live_apply(boot, variant)
            stages.wait_until_settled(boot, session)
            yield stages.applied(boot, session)


def tell(boot: Boot, variant: Variant) -> None:
    """Tell and keep which of the installer's ways `boot` goes."""
    boot.watch.say(str(variant))
    boot.watch.note(installer=str(variant))


def wait_for_live_apply(boot: Boot, variant: Variant) -> None:
    """Follow the installer's scripts to multi-user.target; how often they tried the rules count.

    Raises:
        ProductError: the boot failed, took too long, or came there without live-apply.
        RigError: QEMU ended, or the harness's own part in the guest failed.
    """
    stages.wait_for_multi_user(boot, _UP_S * boot.rig.timeout_factor)
    if not boot.watch.has_passed(stages.OVERLAY):
        raise boot.watch.failed(why_without(variant))
    ended = {phase.name: phase for phase in boot.watch.record.phases if phase.end_s is not None}
    boot.timings_s.update(
        (stage, (phase.end_s or 0.0) - phase.begin_s)
        for name, stage in _TIMED.items()
        if (phase := ended.get(name)) is not None
    )


def why_without(variant: Variant) -> str:
    """Return why a machine came to multi-user.target without live-apply."""
    if variant.missing:
        return f"live-apply did not run, and the config lacks {', '.join(variant.missing)}"
    return "live-apply did not run: openshift-clients, of the node layer, is in the bootimage"
