"""Bootstrap machines: live-apply at the first boot, and a temporary control plane.

The control plane comes out of the stand-in's release; with other images kubelet runs without one.
The installer's own config, if the user gave one, is booted instead of the harness's.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from harness.guest.bootkube import temporary_control_plane
from harness.guest.limits import LIMITS
from harness.guest.live_apply import live_apply
from harness.model.guest_network import GUEST
from harness.model.ignition import Config, Document
from harness.pki.control_plane import make_pki
from harness.player.given import Given
from harness.player.plan import BY_FIRMWARE, Delivery, MachinePlan, Service
from harness.player.scenario import BOOTSTRAP_LEVELS, Scenario
from harness.player.steps import (
    NODE_LAYER,
    OVERLAY_APPLIED,
    Check,
    Checkpoint,
    LogIn,
    Reach,
    Step,
    SwitchOn,
)
from harness.scenarios.flows import installer
from harness.scenarios.flows.checks import overlay_applied

if TYPE_CHECKING:
    from harness.player.site import Site

NODE = "node"
BACK_S = 120.0
"""From the end of live-apply to multi-user.target."""
_MEMORY_MIB = 2048


def bootstrap(
    name: str, title: str, *, delivery: Delivery = BY_FIRMWARE, services: tuple[Service, ...] = ()
) -> Scenario:
    """Return the scenario of a bootstrap machine that boots the bootimage from its disk."""
    machine = MachinePlan(
        name=NODE, memory_mib=_MEMORY_MIB, config=partial(config, name), delivery=delivery
    )
    return Scenario(
        name=name, title=title, machines=(machine,), services=services, steps=steps,
        levels=BOOTSTRAP_LEVELS, takes_installer_config=True,
    )  # fmt: skip


def config(scenario: str, site: Site) -> Document:
    """Return the config of a bootstrap machine, the installer's own if the user gave one."""
    if (document := site.inputs.bootstrap_ignition) is not None:
        return installer.bootstrap_config(scenario, site, document)
    return site.document(*pieces(site))


def pieces(site: Site) -> tuple[Config, ...]:
    """Return the pieces of a bootstrap machine; its control plane needs a release."""
    overlay = live_apply(site.inputs.pull_spec, site.limits)
    release = site.inputs.release()
    if release is None:
        return (*site.kubelet, overlay)
    plane = temporary_control_plane(release, make_pki((GUEST,)), site.limits)
    return (*site.kubelet, overlay, plane)


def steps(given: Given) -> tuple[Step, ...]:
    """Return the steps from power-on to a ready API, or to multi-user.target without one."""
    return (
        SwitchOn(machine=NODE),
        *installer.noted(NODE, given),
        LogIn(machine=NODE),
        *live_apply_steps(NODE, given),
        Checkpoint(name=NODE_LAYER),
        *with_control_plane(NODE, given),
    )


def live_apply_steps(machine: str, given: Given) -> tuple[Step, ...]:
    """Return the steps from the boot that live-applies until the node layer is in place."""
    limit_s = LIMITS.live_apply_s + BACK_S if given.installer is None else installer.UP_S
    return (
        Reach(machine=machine, phase="multi-user", limit_s=limit_s),
        Check(machine=machine, name=OVERLAY_APPLIED, act=partial(overlay_applied, given)),
    )


def with_control_plane(machine: str, given: Given) -> tuple[Step, ...]:
    """Return the step to a ready API, if the run has a control plane."""
    if not given.has_control_plane:
        return ()
    return (Reach(machine=machine, phase="control-plane", limit_s=LIMITS.control_plane_s),)
