"""What the single-node scenarios share: a bootstrap in place, an install, and a pivot on the disk.

The live system lays the node image over itself and brings up a temporary control plane. Its
machine-config server gives the config of the machine to be, which is installed, pivots at its first
boot, and is a node of its own control plane in the end.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial

from harness.cluster.machine_config_server import MASTER
from harness.cluster.manifests import API_PORT
from harness.cluster.pki import Api, Pki, make_pki
from harness.cluster.release_payload import ReleasePayload
from harness.guest import bootkube, install
from harness.guest.bootkube import temporary_control_plane
from harness.guest.install import IN_PLACE_STAGE, bootstrap_in_place
from harness.guest.joining import joining_kubelet
from harness.guest.keys import RunKeys, make_run_keys
from harness.guest.live_apply import Limits, live_apply
from harness.guest.machine_configs import machine_config_server
from harness.guest.pivot import BEFORE, pivot
from harness.images.certificates import issue
from harness.model.guest_network import GUEST, LOOPBACK
from harness.model.ignition import Document, render
from harness.scenarios import installer_in_place, stages
from harness.scenarios.bootstrap import release_for, wait_for_control_plane
from harness.scenarios.config import insist_valid, node_pieces, whole
from harness.scenarios.medium import MemoryBudget, follow_install, insist_on_budget
from harness.scenarios.needs import Need
from harness.scenarios.pivoting import LEVELS, follow_pivot
from harness.scenarios.scenario import AppliedNode, Inputs, Rig, Scenario, Way
from harness.scenarios.start import MachinePlan, SwitchedOn

_REBOOTS = 2  # into the installed system, and into the node image
# The images of the temporary control plane are in memory as well: some 320 MiB with all else.
_BUDGET = MemoryBudget(writable_mib=512)
_NODE_NAME = "single-node"
_INSTALLED_BOOT = 2  # after the live system's


def in_place(plan: MachinePlan, switched_on: SwitchedOn, title: str) -> Scenario:
    """Return the scenario of a single node whose live system is `switched_on`."""
    return Scenario(
        name=plan.name, title=title, memory_mib=plan.memory_mib,
        bring_up=partial(_bring_up, plan, switched_on), way=Way.PIVOT, reboots=_REBOOTS,
        levels=LEVELS, takes_installer_config=True,
        needs=(Need.LIVE_ISO, Need.RELEASE, Need.SINGLE_PATH),
    )  # fmt: skip


def _bring_up(
    plan: MachinePlan, switched_on: SwitchedOn, rig: Rig, inputs: Inputs
) -> AbstractContextManager[AppliedNode]:
    if (document := inputs.bootstrap_ignition) is not None:
        return installer_in_place.bring_up(plan, switched_on, document, rig, inputs)
    return _by_our_config(plan, switched_on, rig, inputs)


@contextmanager
def _by_our_config(
    plan: MachinePlan, switched_on: SwitchedOn, rig: Rig, inputs: Inputs
) -> Iterator[AppliedNode]:
    keys = make_run_keys()
    medium = _medium(plan, rig, inputs, keys)
    limits = Limits().scaled(rig.timeout_factor)
    plane_limits = bootkube.Limits().scaled(rig.timeout_factor)
    with (
        switched_on(rig, inputs, plan, medium) as boot,
        stages.logged_in(boot, keys) as session,
    ):
        stages.wait_for_live_apply(boot, limits)
        insist_on_budget(boot, _BUDGET)
        wait_for_control_plane(boot, plane_limits)
        in_place_s = install.Limits().scaled(rig.timeout_factor).in_place_s
        stages.wait_for_stage(boot, IN_PLACE_STAGE, in_place_s)
        follow_install(boot, session)
        insist_on_budget(boot, _BUDGET)
        follow_pivot(boot, session, _INSTALLED_BOOT)
        # The node's own, after that of the live system: a level of readiness waits for less.
        wait_for_control_plane(boot, plane_limits, times=2)
        yield stages.applied(boot, session, BEFORE)


def _medium(plan: MachinePlan, rig: Rig, inputs: Inputs, keys: RunKeys) -> Document:
    """Return the config of the live system, which holds the one of the disk.

    Raises:
        InputError: there is no release, or `ignition-validate` refuses the config of the disk.
    """
    release, pki = release_for(plan.name, inputs), make_pki((GUEST,))
    installed = _installed(rig, inputs, keys, release, pki)
    insist_valid(render(installed), rig.run.folder)
    certificate = issue((LOOPBACK,), ("localhost",))
    pieces = (
        *node_pieces(inputs, keys),
        live_apply(inputs.pull_spec, Limits().scaled(rig.timeout_factor)),
        temporary_control_plane(release, pki, bootkube.Limits().scaled(rig.timeout_factor)),
        machine_config_server({MASTER: installed}, certificate),
        bootstrap_in_place(certificate, install.Limits().scaled(rig.timeout_factor)),
    )
    return whole(pieces, inputs.extra_ignition)


def _installed(
    rig: Rig, inputs: Inputs, keys: RunKeys, release: ReleasePayload, pki: Pki
) -> Document:
    """Return the config of the disk: a node that runs its own control plane."""
    api = Api(pki=pki, url=f"https://{LOOPBACK}:{API_PORT}")
    pieces = (
        *node_pieces(inputs, keys),
        joining_kubelet(api, _NODE_NAME, inputs.pause_image),
        temporary_control_plane(release, pki, bootkube.Limits().scaled(rig.timeout_factor)),
        pivot(inputs.pull_spec, Limits().scaled(rig.timeout_factor)),
    )
    return whole(pieces, inputs.extra_ignition)
