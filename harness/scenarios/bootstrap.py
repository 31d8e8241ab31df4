"""What bootstrap scenarios share: live-apply at the first boot, and a temporary control plane.

The latter is made of the release's images, hence of a run on stand-ins or with `--release-image`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

from harness.cluster.pki import make_pki
from harness.diagnosis import events
from harness.model.ignition import Config
from harness.node import bootkube, live_apply
from harness.node.bootkube import Limits, temporary_control_plane
from harness.node.keys import make_run_keys
from harness.scenarios import installer_config, stages
from harness.scenarios.config import node_pieces, whole
from harness.scenarios.scenario import STANDALONE_LEVELS, AppliedNode, Inputs, Rig
from harness.scenarios.start import Boot, MachinePlan, SwitchedOn

LEVELS = (*STANDALONE_LEVELS, "api-readyz")
"""Levels of readiness of a bootstrap machine; it is no Node of the cluster that it begins."""


def bring_up(
    plan: MachinePlan, switched_on: SwitchedOn, rig: Rig, inputs: Inputs
) -> AbstractContextManager[AppliedNode]:
    """Hold a bootstrap machine, made by the installer's own config if the user gave one."""
    if inputs.bootstrap_ignition is not None:
        return installer_config.bring_up(plan, switched_on, rig, inputs)
    return _by_our_config(plan, switched_on, rig, inputs)


@contextmanager
def _by_our_config(
    plan: MachinePlan, switched_on: SwitchedOn, rig: Rig, inputs: Inputs
) -> Iterator[AppliedNode]:
    """Hold a bootstrap machine, up to its temporary control plane if it has one."""
    keys = make_run_keys()
    limits = live_apply.Limits().scaled(rig.timeout_factor)
    cluster = Limits().scaled(rig.timeout_factor)
    control_plane = control_plane_pieces(inputs, cluster)
    overlay = live_apply.live_apply(inputs.pull_spec, limits)
    document = whole((*node_pieces(inputs, keys), overlay, *control_plane), inputs.extra_ignition)
    with (
        switched_on(rig, inputs, plan, document) as boot,
        stages.logged_in(boot, keys) as session,
    ):
        stages.wait_for_live_apply(boot, limits)
        stages.wait_until_settled(boot, session)
        if control_plane:
            wait_for_control_plane(boot, cluster)
        yield stages.applied(boot, session)


def control_plane_pieces(inputs: Inputs, limits: Limits) -> tuple[Config, ...]:
    """Return the Ignition pieces of a temporary control plane, none without a release."""
    release = inputs.release()
    if release is None or not release.has_control_plane:
        return ()
    pki = make_pki((bootkube.ADDRESS,))
    return (temporary_control_plane(release, pki, limits),)


def wait_for_control_plane(boot: Boot, limits: Limits) -> None:
    """Follow the machine until its API is ready.

    Raises:
        ProductError: a unit failed or took too long.
        RigError: QEMU ended.
    """
    stages.wait_for_stage(boot, bootkube.STAGE, limits.overall_s)
    boot.timings_s.update(events.durations_s(boot.watch.events))
