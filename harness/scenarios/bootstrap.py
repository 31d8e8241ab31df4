"""What bootstrap scenarios share: live-apply at the first boot, and a temporary control plane.

The latter is made of the stand-in's release: with other images kubelet stands alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

from harness.cluster.pki import make_pki
from harness.cluster.release_payload import ReleasePayload
from harness.diagnosis import events
from harness.guest import bootkube, live_apply
from harness.guest.bootkube import Limits, temporary_control_plane
from harness.guest.keys import RunKeys, make_run_keys
from harness.model.guest_network import GUEST
from harness.model.ignition import Config
from harness.node.ssh import Session
from harness.scenarios import installer_config, stages
from harness.scenarios.config import node_pieces, whole
from harness.scenarios.needs import Need, lacking
from harness.scenarios.scenario import STANDALONE_LEVELS, AppliedNode, Inputs, Rig
from harness.scenarios.start import Boot, MachinePlan, SwitchedOn

LEVELS = (*STANDALONE_LEVELS, "api-readyz")
"""Levels of readiness of a bootstrap machine; it is no Node of the cluster that it begins."""


def bring_up(
    plan: MachinePlan, switched_on: SwitchedOn, rig: Rig, inputs: Inputs
) -> AbstractContextManager[AppliedNode]:
    """Hold a bootstrap machine, made by the installer's own config if the user gave one."""
    if (document := inputs.bootstrap_ignition) is not None:
        return installer_config.bring_up(plan, switched_on, document, rig, inputs)
    return _by_our_config(plan, switched_on, rig, inputs)


@contextmanager
def _by_our_config(
    plan: MachinePlan, switched_on: SwitchedOn, rig: Rig, inputs: Inputs
) -> Iterator[AppliedNode]:
    keys = make_run_keys()
    document = whole(pieces(rig, inputs, keys), inputs.extra_ignition)
    with (
        switched_on(rig, inputs, plan, document) as boot,
        stages.logged_in(boot, keys) as session,
    ):
        stages.wait_for_live_apply(boot, live_apply.Limits().scaled(rig.timeout_factor))
        yield finished(boot, session, inputs)


def pieces(rig: Rig, inputs: Inputs, keys: RunKeys) -> tuple[Config, ...]:
    """Return the Ignition pieces of a bootstrap machine; its control plane needs a release."""
    limits = live_apply.Limits().scaled(rig.timeout_factor)
    release = inputs.release()
    control_plane: tuple[Config, ...] = ()
    if release is not None:
        waits = Limits().scaled(rig.timeout_factor)
        pki = make_pki((GUEST,))
        control_plane = (temporary_control_plane(release, pki, waits),)
    overlay = live_apply.live_apply(inputs.pull_spec, limits)
    return (*node_pieces(inputs, keys), overlay, *control_plane)


def finished(boot: Boot, session: Session, inputs: Inputs) -> AppliedNode:
    """Follow the machine from multi-user.target to its end, a ready API if it has one.

    Raises:
        ProductError: a unit failed or took too long.
        RigError: QEMU ended, or a snapshot cannot be had.
    """
    stages.wait_until_settled(boot, session)
    if inputs.release() is not None:
        wait_for_control_plane(boot, Limits().scaled(boot.rig.timeout_factor))
    return stages.applied(boot, session)


def release_for(scenario: str, inputs: Inputs) -> ReleasePayload:
    """Return the release that the control plane of `scenario` is made of.

    Raises:
        InputError: the images have none.
    """
    release = inputs.release()
    if release is None:
        raise lacking(scenario, Need.RELEASE)
    return release


def wait_for_control_plane(boot: Boot, limits: Limits, times: int = 1) -> None:
    """Follow the machine until its API is ready; `times` is how often it gets there in its boots.

    Raises:
        ProductError: a unit failed or took too long.
        RigError: QEMU ended.
    """
    stages.wait_for_stage(boot, bootkube.STAGE, limits.overall_s, times)
    boot.timings_s.update(events.durations_s(boot.watch.events))
