"""IPI cluster in small: a bootstrap machine and the control-plane machine that it brings up.

They share a private segment, on which the bootstrap machine is gateway, DHCP and name server. The
other machine fetches its config from the bootstrap machine, pivots, and joins its API; it is the
node that is judged.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from harness.cluster.machine_config_server import MASTER
from harness.cluster.manifests import API_PORT, MCS_PORT
from harness.cluster.pki import Api, Pki, make_pki
from harness.cluster.pointer import pointer
from harness.cluster.release_payload import ReleasePayload
from harness.guest import bootkube
from harness.guest.bootkube import temporary_control_plane
from harness.guest.joining import joining_kubelet
from harness.guest.keys import RunKeys, make_run_keys
from harness.guest.live_apply import Limits, live_apply
from harness.guest.machine_configs import machine_config_server
from harness.guest.pivot import BEFORE, pivot
from harness.guest.segment_network import API_INT_NAME, API_NAME, GATEWAY, Member, segment_gateway
from harness.images.certificates import ServerCertificate, issue
from harness.machine.segment import Segment, pair
from harness.model.ignition import Document
from harness.model.record import State
from harness.scenarios import remote_config, stages, start
from harness.scenarios.bootstrap import release_for, wait_for_control_plane
from harness.scenarios.config import node_pieces, whole
from harness.scenarios.needs import Need
from harness.scenarios.pivoting import LEVELS, follow_pivot
from harness.scenarios.scenario import AppliedNode, Inputs, Rig, Scenario, Way
from harness.scenarios.start import Boot, MachinePlan

_NODE = MachinePlan(name="ipi_cluster", memory_mib=2048)
_BOOTSTRAP = MachinePlan(name="ipi_cluster_bootstrap", memory_mib=3072, scenario=_NODE.name)
_NODE_NAME = "control-plane-0"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Cluster:
    """What the two machines know of each other."""

    release: ReleasePayload
    pki: Pki
    certificate: ServerCertificate
    keys: RunKeys
    bootstrap: Segment
    node: Segment


@contextmanager
def _bring_up(rig: Rig, inputs: Inputs) -> Iterator[AppliedNode]:
    cluster = _cluster(rig, inputs)
    config = _node_config(rig, inputs, cluster)
    leads_to = pointer(
        f"https://{API_INT_NAME}:{MCS_PORT}/config/{MASTER}", cluster.certificate.ca_pem
    )
    plan = replace(_NODE, segment=cluster.node)
    with (
        _bootstrap(rig, inputs, cluster, config) as bootstrap,
        remote_config.switched_on(rig, inputs, plan, leads_to, config) as boot,
    ):
        boot.watch.look_after(bootstrap.watch)
        with stages.logged_in(boot, cluster.keys) as session:
            follow_pivot(boot, session)
            yield stages.applied(boot, session, BEFORE)


def _cluster(rig: Rig, inputs: Inputs) -> _Cluster:
    release = release_for(_NODE.name, inputs)
    bootstrap, node = pair(rig.run, "bootstrap", "node")
    return _Cluster(
        release=release, pki=make_pki((GATEWAY,), (API_NAME, API_INT_NAME)),
        certificate=issue((GATEWAY,), (API_INT_NAME,)), keys=make_run_keys(),
        bootstrap=bootstrap, node=replace(node, is_only_way=True),
    )  # fmt: skip


@contextmanager
def _bootstrap(rig: Rig, inputs: Inputs, cluster: _Cluster, config: Document) -> Iterator[Boot]:
    """Hold the bootstrap machine with its API up, serving `config`."""
    limits = Limits().scaled(rig.timeout_factor)
    waits = bootkube.Limits().scaled(rig.timeout_factor)
    member = Member(name=_NODE_NAME, mac=cluster.node.mac)
    pieces = (
        *node_pieces(inputs, cluster.keys),
        live_apply(inputs.pull_spec, limits),
        temporary_control_plane(cluster.release, cluster.pki, waits, GATEWAY),
        machine_config_server({MASTER: config}, cluster.certificate),
        segment_gateway(cluster.bootstrap.mac, member),
    )
    plan = replace(_BOOTSTRAP, segment=cluster.bootstrap)
    with start.switched_on(rig, inputs, plan, whole(pieces, ())) as boot:
        stages.wait_for_live_apply(boot, limits)
        wait_for_control_plane(boot, waits)
        boot.watch.note(state=State.UP)
        yield boot


def _node_config(rig: Rig, inputs: Inputs, cluster: _Cluster) -> Document:
    limits = Limits().scaled(rig.timeout_factor)
    api = Api(pki=cluster.pki, url=f"https://{API_INT_NAME}:{API_PORT}")
    pieces = (
        *node_pieces(inputs, cluster.keys),
        joining_kubelet(api, _NODE_NAME, inputs.pause_image),
        pivot(inputs.pull_spec, limits),
    )
    return whole(pieces, inputs.extra_ignition)


SCENARIO = Scenario(
    name=_NODE.name,
    title="IPI cluster: a bootstrap machine and the control-plane machine that joins its API",
    memory_mib=_NODE.memory_mib + _BOOTSTRAP.memory_mib,
    bring_up=_bring_up,
    way=Way.PIVOT,
    reboots=1,
    levels=LEVELS,
    machines=2,
    needs=(Need.RELEASE,),
)
