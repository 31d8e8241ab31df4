"""Single nodes: a bootstrap in place, an install, and a pivot on the disk.

The live system overlays the node image and runs a temporary control plane, whose machine-config
server serves the config of the disk. The installed machine pivots at its first boot, and becomes a
node of its own control plane.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from harness.cluster.machine_config_server import MASTER
from harness.cluster.manifests import API_PORT
from harness.cluster.release_payload import ReleasePayload
from harness.guest.bootkube import temporary_control_plane
from harness.guest.install import bootstrap_in_place
from harness.guest.joining import joining_kubelet
from harness.guest.limits import LIMITS
from harness.guest.live_apply import live_apply
from harness.guest.machine_configs import machine_config_server
from harness.guest.pivot import pivot
from harness.model.guest_network import GUEST, LOOPBACK
from harness.model.ignition import Document
from harness.model.way import Way
from harness.pki.certificates import issue
from harness.pki.control_plane import Api, Pki, make_pki
from harness.player.given import Given
from harness.player.needs import Need, lacks
from harness.player.plan import InMedium, MachinePlan, Medium
from harness.player.scenario import NODE_LEVELS, Scenario
from harness.player.steps import NODE_LAYER, Check, Checkpoint, LogIn, Reach, Reboot, Step, SwitchOn
from harness.scenarios.flows import installer
from harness.scenarios.flows.bootstrap import live_apply_steps, with_control_plane
from harness.scenarios.flows.checks import MemoryBudget, memory_within
from harness.scenarios.flows.pivoting import pivot_steps

if TYPE_CHECKING:
    from harness.player.site import Site

_NODE = "node"
_NODE_NAME = "single-node"
# The images of the temporary control plane are in memory as well: some 320 MiB with all else.
_BUDGET = MemoryBudget(writable_mib=512)
# Of the 16 GiB that a single node needs at least.
_INSTALLERS_BUDGET = MemoryBudget(writable_mib=10_240)
_INSTALLED_S = 2700.0
"""The installer's, from multi-user.target of the live system: control plane, its logs, install."""
_INSTALLERS_REBOOT_S = 360.0
"""The installer reboots after a minute."""
_PIVOTED_S = 1200.0
_BACK_S = 120.0


def in_place(name: str, title: str, memory_mib: int, medium: Medium) -> Scenario:
    """Return the scenario of a single node whose live system boots from `medium`."""
    machine = MachinePlan(
        name=_NODE, memory_mib=memory_mib, config=partial(_config, name), medium=medium,
        delivery=InMedium(),
    )  # fmt: skip
    return Scenario(
        name=name, title=title, machines=(machine,), steps=_steps, way=Way.PIVOT,
        levels=NODE_LEVELS, takes_installer_config=True, needs=(Need.RELEASE, Need.SINGLE_PATH),
    )  # fmt: skip


def _steps(given: Given) -> tuple[Step, ...]:
    return (
        SwitchOn(machine=_NODE),
        *installer.noted(_NODE, given),
        LogIn(machine=_NODE),
        *live_apply_steps(_NODE, given),
        *(_to_disk(given) if given.installer is None else _installers_to_disk()),
    )


def _to_disk(given: Given) -> tuple[Step, ...]:
    budget = partial(memory_within, _BUDGET)
    return (
        Check(machine=_NODE, name="memory", act=budget),
        *with_control_plane(_NODE, given),
        Reach(machine=_NODE, phase="in-place", limit_s=LIMITS.in_place_s),
        Reach(machine=_NODE, phase="install", limit_s=LIMITS.install_end_s),
        Check(machine=_NODE, name="memory", act=budget),
        Reboot(machine=_NODE),
        *pivot_steps(_NODE),
        # The node's own, after that of the live system: a level of readiness waits for less.
        *with_control_plane(_NODE, given),
    )


def _installers_to_disk() -> tuple[Step, ...]:
    """Return the steps of an install and a pivot by the installer's and the operator's units."""
    return (
        Reach(machine=_NODE, phase="install", limit_s=_INSTALLED_S),
        Check(machine=_NODE, name="memory", act=partial(memory_within, _INSTALLERS_BUDGET)),
        Reboot(machine=_NODE, limit_s=_INSTALLERS_REBOOT_S),
        Reboot(machine=_NODE, limit_s=_PIVOTED_S),
        Reach(machine=_NODE, phase="multi-user", limit_s=_BACK_S),
        Checkpoint(name=NODE_LAYER),
    )


def _config(scenario: str, site: Site) -> Document:
    """Return the config of the live system, with the config of the disk inside.

    Raises:
        InputError: the images have no release, or `ignition-validate` refuses the disk's config.
    """
    if (document := site.inputs.bootstrap_ignition) is not None:
        return installer.single_node_config(scenario, site, document)
    release, pki = release_for(site), make_pki((GUEST,))
    installed = _installed(site, release, pki)
    certificate = issue((LOOPBACK,), ("localhost",))
    return site.document(
        *site.kubelet,
        live_apply(site.inputs.pull_spec, site.limits),
        temporary_control_plane(release, pki, site.limits),
        machine_config_server({MASTER: installed}, certificate),
        bootstrap_in_place(certificate, site.limits),
    )


def _installed(site: Site, release: ReleasePayload, pki: Pki) -> Document:
    """Return the config of the disk: a node that runs its own control plane."""
    api = Api(pki=pki, url=f"https://{LOOPBACK}:{API_PORT}")
    return site.nested(
        *site.kubelet,
        joining_kubelet(api, _NODE_NAME, site.inputs.pause_image),
        temporary_control_plane(release, pki, site.limits),
        pivot(site.inputs.pull_spec, site.limits),
    )


def release_for(site: Site) -> ReleasePayload:
    """Return the release with the parts of a control plane.

    Raises:
        InputError: the images have none.
    """
    release = site.inputs.release()
    if release is None:
        raise lacks(site.name, Need.RELEASE)
    return release
