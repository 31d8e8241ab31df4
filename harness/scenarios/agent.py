"""Agent-based installer: as `assisted`, with all in the ISO, led by the rendezvous host."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.guest.assisted import agent_based
from harness.guest.installers.live import LiveKind
from harness.model.guest_network import GUEST
from harness.model.ignition import Document
from harness.scenarios.flows import installer
from harness.scenarios.flows.on_demand import agent_of, bootstrap_config, on_live_iso

if TYPE_CHECKING:
    from harness.player.site import Site


def _config(site: Site) -> Document:
    if (document := site.inputs.live_ignition) is not None:
        return installer.live_config(site, document)
    return site.document(agent_based(agent_of(site), bootstrap_config(site), GUEST))


SCENARIO = on_live_iso(
    "agent",
    "Agent-based installer: agent ISO, node zero, live-apply by the agent",
    LiveKind.AGENT,
    _config,
)
