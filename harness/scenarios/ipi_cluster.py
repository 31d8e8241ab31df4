"""A small IPI cluster: a bootstrap machine and the control-plane machine that it brings up.

They share a private segment, on which the bootstrap machine is gateway, DHCP and name server. The
other machine fetches its config from the bootstrap machine, pivots, and joins its API; it is the
node that is judged.
"""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.cluster.machine_config_server import MASTER
from harness.cluster.manifests import API_PORT, MCS_PORT
from harness.cluster.pointer import pointer
from harness.guest.bootkube import temporary_control_plane
from harness.guest.joining import joining_kubelet
from harness.guest.limits import LIMITS
from harness.guest.live_apply import live_apply
from harness.guest.machine_configs import machine_config_server
from harness.guest.pivot import pivot
from harness.guest.segment_network import (
    API_INT_NAME,
    API_NAME,
    GATEWAY,
    Member,
    segment_gateway,
)
from harness.guest.validation import whole
from harness.model.ignition import Document
from harness.model.way import Way
from harness.pki.certificates import Certificate, issue
from harness.pki.control_plane import Api, Pki, make_pki
from harness.player.given import Given
from harness.player.needs import Need
from harness.player.plan import ByPointer, MachinePlan, PrivateLink, Service
from harness.player.scenario import NODE_LEVELS, Scenario
from harness.player.steps import LogIn, Reach, Step, SwitchOn
from harness.scenarios.flows.bootstrap import live_apply_steps
from harness.scenarios.flows.pivoting import pivot_steps
from harness.scenarios.flows.single_node import release_for

if TYPE_CHECKING:
    from harness.player.site import Site

_BOOTSTRAP = "bootstrap"
_NODE = "node"
_NODE_NAME = "control-plane-0"
_TRUST, _POINTER = "trust", "pointer"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Trust:
    """The certificates that the two machines know each other by."""

    pki: Pki
    certificate: Certificate


def _make_trust(_: Site) -> nullcontext[_Trust]:
    return nullcontext(
        _Trust(
            pki=make_pki((GATEWAY,), (API_NAME, API_INT_NAME)),
            certificate=issue((GATEWAY,), (API_INT_NAME,)),
        )
    )


def _bootstrap_config(site: Site) -> Document:
    trust, limits = site.service(_TRUST, _Trust), site.limits
    member = Member(name=_NODE_NAME, mac=site.segments[_NODE].mac)
    # Without the user's own config, which is for the node that is judged.
    return whole(
        (
            *site.access,
            *site.kubelet,
            live_apply(site.inputs.pull_spec, limits),
            temporary_control_plane(release_for(site), trust.pki, limits, GATEWAY),
            machine_config_server({MASTER: site.config_of(_NODE)}, trust.certificate),
            segment_gateway(site.segments[_BOOTSTRAP].mac, member),
        )
    )


def _node_config(site: Site) -> Document:
    api = Api(pki=site.service(_TRUST, _Trust).pki, url=f"https://{API_INT_NAME}:{API_PORT}")
    return site.document(
        *site.kubelet,
        joining_kubelet(api, _NODE_NAME, site.inputs.pause_image),
        pivot(site.inputs.pull_spec, site.limits),
    )


def _make_pointer(site: Site) -> nullcontext[Document]:
    url = f"https://{API_INT_NAME}:{MCS_PORT}/config/{MASTER}"
    return nullcontext(pointer(url, site.service(_TRUST, _Trust).certificate.ca_pem))


def _steps(given: Given) -> tuple[Step, ...]:
    return (
        SwitchOn(machine=_BOOTSTRAP),
        *live_apply_steps(_BOOTSTRAP, given),
        Reach(machine=_BOOTSTRAP, phase="control-plane", limit_s=LIMITS.control_plane_s),
        SwitchOn(machine=_NODE),
        LogIn(machine=_NODE),
        *pivot_steps(_NODE),
    )


SCENARIO = Scenario(
    name="ipi_cluster",
    title="IPI cluster: a bootstrap machine and the control-plane machine that joins its API",
    machines=(
        MachinePlan(
            name=_BOOTSTRAP, memory_mib=3072, config=_bootstrap_config, is_judged=False,
            link=PrivateLink(name="segment"),
        ),
        MachinePlan(
            name=_NODE, memory_mib=2048, config=_node_config, delivery=ByPointer(service=_POINTER),
            link=PrivateLink(name="segment", is_only_way=True),
        ),
    ),
    services=(
        Service(name=_TRUST, run=_make_trust),
        Service(name=_POINTER, run=_make_pointer),
    ),
    steps=_steps,
    way=Way.PIVOT,
    levels=NODE_LEVELS,
    needs=(Need.RELEASE,),
)  # fmt: skip
