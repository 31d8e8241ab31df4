"""IPI bootstrap: a disk bootimage that the installer's bootstrap config turns into a node.

Ignition comes by fw_cfg, the overlay generator triggers live-apply on the first boot, and the node
comes to multi-user.target with the node image over /usr and a standalone kubelet. With a release,
kubelet then runs etcd and the API server of a temporary control plane, and the end is a ready API.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

from harness.node import bootkube
from harness.node.keys import make_run_keys
from harness.node.live_apply import Limits, live_apply
from harness.scenarios import stages
from harness.scenarios.bootstrap import control_plane_pieces, wait_for_control_plane
from harness.scenarios.config import node_pieces, whole
from harness.scenarios.installer_config import brought_up
from harness.scenarios.scenario import AppliedNode, Inputs, Rig, Scenario
from harness.scenarios.stages import MachinePlan

_PLAN = MachinePlan(name="ipi_bootstrap", memory_mib=2048)


def _bring_up(rig: Rig, inputs: Inputs) -> AbstractContextManager[AppliedNode]:
    if inputs.bootstrap_ignition is not None:
        return brought_up(rig, inputs, _PLAN, inputs.bootstrap_ignition)
    return _by_our_own_config(rig, inputs)


@contextmanager
def _by_our_own_config(rig: Rig, inputs: Inputs) -> Iterator[AppliedNode]:
    keys = make_run_keys()
    limits = Limits().scaled(rig.timeout_factor)
    cluster = bootkube.Limits().scaled(rig.timeout_factor)
    control_plane = control_plane_pieces(inputs, cluster)
    pieces = (*node_pieces(inputs, keys), live_apply(inputs.pull_spec, limits), *control_plane)
    document = whole(pieces, inputs.extra_ignition)
    with (
        stages.switched_on(rig, inputs, _PLAN, document) as boot,
        stages.logged_in(boot, keys) as session,
    ):
        stages.wait_for_live_apply(boot, limits)
        stages.wait_until_settled(boot, session)
        if control_plane:
            wait_for_control_plane(boot, cluster)
        yield stages.applied(boot, session)


SCENARIO = Scenario(
    name=_PLAN.name,
    title="IPI bootstrap: disk bootimage, live-apply at the first boot, temporary control plane",
    memory_mib=_PLAN.memory_mib,
    bring_up=_bring_up,
)
