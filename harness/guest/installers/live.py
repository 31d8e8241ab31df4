"""Which installer a live system's config belongs to, read from the config itself. Pure.

The config of a discovery ISO has an agent that asks a service what to do. That of an agent ISO has
the service as well, and says which host runs it. Neither has a unit of live-apply: those come with
the bootstrap config, which the installer writes to the host that leads.

Source: openshift/assisted-service internal/ignition/templates, discovery.ign and agent.service;
openshift/installer pkg/asset/agent/image/ignition.go and data/data/agent.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from harness.guest.installers.proxy import NO_PROXY, Proxy, proxy_of
from harness.guest.installers.texts import Texts, found, texts_of
from harness.guest.installers.variant import is_bootstrap, release_in, require_no_other
from harness.images.acquire.url import shown_url
from harness.model.errors import InputError
from harness.model.guest_network import GUEST
from harness.model.ignition import Document

_AGENT = "agent.service"
_NODE_ZERO = "node-zero.service"
_ADDS_NODES = "agent-add-node.service"
_RENDEZVOUS = "/etc/assisted/rendezvous-host.env"
_CLUSTER = "/etc/assisted/manifests/agent-cluster-install.yaml"
_URL = re.compile(r"^ExecStart=\S*agent\b.*\s--url[ =](\S+)", re.MULTILINE)
_ADDRESS = re.compile(r"^NODE_ZERO_IP=[\"']?([^\"'\s]+)", re.MULTILINE)
_BASE_URL = re.compile(r"^SERVICE_BASE_URL=[\"']?([^\"'\s]+)", re.MULTILINE)
_HOSTS = re.compile(r"^\s*controlPlaneAgents:\s*(\d+)", re.MULTILINE)
_WAY_OUT = (
    "Use the config in the installer's ISO: run `coreos-installer iso ignition show ISO`."
)  # fmt: skip


class LiveKind(StrEnum):
    """The installer of a live system's config; the value is its ISO in words."""

    ASSISTED = "discovery ISO of the assisted installer"
    AGENT = "agent ISO of the agent-based installer"


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveVariant:
    """What a live system's config does. Fields are empty where the config does not say.

    `service` is the URL that the agent asks, `rendezvous` the address of the host that leads, and
    `hosts` the number of hosts of the control plane, 0 where the service knows it alone.
    """

    kind: LiveKind
    service: str = ""
    rendezvous: str = ""
    hosts: int = 0
    release: str = ""
    proxy: Proxy = NO_PROXY

    def __str__(self) -> str:
        said = [
            f"the installer's own config ({self.kind})",
            f": service at {shown_url(self.service)}" if self.service else "",
            f", node zero is {self.rendezvous}" if self.rendezvous else "",
            ", through a proxy" if self.proxy.is_there else "",
            f"; release image {self.release}" if self.release else "",
        ]
        return "".join(said)


def live_variant_of(document: Document) -> LiveVariant:
    """Return what the live system's config in `document` does.

    Raises:
        InputError: the contents of one of its files are damaged.
    """
    texts = texts_of(document)
    is_agents = _NODE_ZERO in texts.units
    rendezvous = texts.files.get(_RENDEZVOUS, "")
    return LiveVariant(
        kind=LiveKind.AGENT if is_agents else LiveKind.ASSISTED,
        service=found(_BASE_URL, rendezvous) or found(_URL, texts.units.get(_AGENT, "")),
        rendezvous=found(_ADDRESS, rendezvous),
        hosts=int(found(_HOSTS, texts.files.get(_CLUSTER, "")) or 0),
        release=release_in(texts),
        proxy=proxy_of(texts),
    )


def require_live(document: Document, subject: str) -> None:
    """Return if `document` is a live system's config that one machine can follow to live-apply.

    Errors call it `subject`.

    Raises:
        InputError: it is something else; says what, and what to give instead.
    """
    texts = texts_of(document)
    if is_bootstrap(texts):
        problem = "a config for a bootstrap machine, not for a live system with an agent"
        raise InputError(subject, problem, "Use --bootstrap-ignition for it.")
    require_no_other(document, texts, subject, "ISO's config", _WAY_OUT)
    if _AGENT not in texts.units:
        problem = f"not the config of an installer's live system: it has no {_AGENT}"
        raise InputError(subject, problem, _WAY_OUT)
    if _ADDS_NODES in texts.enabled:
        problem = "adds a node to a cluster that exists, where nothing live-applies"
        remedy = "Use the config of `openshift-install agent create image`."
        raise InputError(subject, problem, remedy)
    _require_agent(live_variant_of(document), texts, subject)


def _require_agent(variant: LiveVariant, texts: Texts, subject: str) -> None:
    if variant.kind is LiveKind.ASSISTED:
        if _AGENT not in texts.enabled:
            problem = f"{_AGENT} is not enabled, so that nothing asks the service"
            raise InputError(subject, problem, "Use the config of a discovery ISO.")
        return
    if variant.rendezvous != GUEST:
        address = variant.rendezvous or "not set"
        problem = f"the address of node zero is {address}, but the machine has {GUEST}"
        remedy = f"Set rendezvousIP: {GUEST} in agent-config.yaml, and create the ISO again."
        raise InputError(subject, problem, remedy)
    if variant.hosts > 1:
        problem = f"waits for {variant.hosts} hosts of the control plane, but one machine boots"
        remedy = "Set controlPlane.replicas: 1 in install-config.yaml, and create the ISO again."
        raise InputError(subject, problem, remedy)
