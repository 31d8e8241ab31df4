"""What the single-node scenarios share: a bootstrap in place, an install, and a pivot on the disk.

The live system lays the node image over itself and brings up a temporary control plane. Its
machine-config server gives the config of the machine to be, which is installed, pivots at its first
boot, and is a node of its own control plane in the end.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from harness.cluster.machine_config_server import MASTER
from harness.cluster.manifests import API_PORT
from harness.cluster.pki import Api, Pki, make_pki
from harness.cluster.release_payload import ReleasePayload
from harness.images.certificates import issue
from harness.model.errors import InputError
from harness.model.guest_network import GUEST, LOOPBACK
from harness.model.ignition import Document, render
from harness.node import bootkube, install
from harness.node.bootkube import temporary_control_plane
from harness.node.cluster_readiness import CLUSTER_LEVELS
from harness.node.install import IN_PLACE_STAGE, bootstrap_in_place
from harness.node.joining import joining_kubelet
from harness.node.keys import RunKeys, make_run_keys
from harness.node.live_apply import Limits, live_apply
from harness.node.machine_configs import machine_config_server
from harness.node.pivot import BEFORE, pivot
from harness.scenarios import stages
from harness.scenarios.bootstrap import wait_for_control_plane
from harness.scenarios.config import insist_valid, node_pieces, whole
from harness.scenarios.medium import MemoryBudget, follow_install, insist_on_budget
from harness.scenarios.pivoting import follow_pivot
from harness.scenarios.scenario import STANDALONE_LEVELS, AppliedNode, Inputs, Rig
from harness.scenarios.start import Boot

REBOOTS = 2
"""Into the installed system, and into the node image."""
LEVELS = (*STANDALONE_LEVELS, *(level.name for level in CLUSTER_LEVELS))
# The images of the temporary control plane are in memory as well.
_BUDGET = MemoryBudget(writable_mib=1536)
_NODE_NAME = "single-node"
_INSTALLED_BOOT = 2  # after the live system's


@dataclass(frozen=True, slots=True, kw_only=True)
class SingleNode:
    """One run's cluster of one machine: who may log in, and what is in its medium's config."""

    keys: RunKeys
    live: Document


def single_node(rig: Rig, inputs: Inputs) -> SingleNode:
    """Return the configs.

    Raises:
        InputError: there is no release, or `ignition-validate` refuses a config.
    """
    release = inputs.release()
    if release is None:
        raise InputError(
            "scenario sno", "has no release to make a control plane of",
            "leave images out to use the stand-ins, or take another scenario",
        )  # fmt: skip
    keys, pki = make_run_keys(), make_pki((GUEST,))
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
    return SingleNode(keys=keys, live=whole(pieces, inputs.extra_ignition))


@contextmanager
def brought_up(rig: Rig, boot: Boot, node: SingleNode) -> Iterator[AppliedNode]:
    """Follow a machine that was switched on with the medium of `node`, and hold its node.

    Raises:
        ProductError: a stage of the way failed, or the live system took too much memory.
        RigError: the host failed.
    """
    limits = Limits().scaled(rig.timeout_factor)
    with stages.logged_in(boot, node.keys) as session:
        stages.wait_for_live_apply(boot, limits)
        insist_on_budget(boot, _BUDGET)
        wait_for_control_plane(boot, bootkube.Limits().scaled(rig.timeout_factor))
        in_place_s = install.Limits().scaled(rig.timeout_factor).in_place_s
        stages.wait_for_stage(boot, IN_PLACE_STAGE, in_place_s)
        follow_install(boot, session)
        insist_on_budget(boot, _BUDGET)
        follow_pivot(boot, session, _INSTALLED_BOOT)
        yield stages.applied(boot, session, BEFORE)


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
