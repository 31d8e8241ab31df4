"""Assisted installer: an agent on the discovery ISO fetches the bootstrap config from a service."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from harness.cluster.web import serve
from harness.guest.assisted import assisted
from harness.guest.installers.live import LiveKind
from harness.model.ignition import Document, render
from harness.player.plan import Service
from harness.scenarios.flows import installer
from harness.scenarios.flows.on_demand import agent_of, bootstrap_config, on_live_iso

if TYPE_CHECKING:
    from harness.player.site import Site

_SERVICE = "assisted-service"
_PATH = "/api/assisted-install/v2/infra-envs/run/downloads/files/bootstrap.ign"


@contextmanager
def _serve(site: Site) -> Iterator[str]:
    """Serve the bootstrap config; yields its URL for guests, empty with a service of others."""
    if site.inputs.live_ignition is not None:
        yield ""
        return
    with serve({_PATH: render(bootstrap_config(site)).encode()}) as service:
        yield f"{service.url_in_guest}{_PATH}"


def _config(site: Site) -> Document:
    if (document := site.inputs.live_ignition) is not None:
        return installer.live_config(site, document)
    return site.document(assisted(agent_of(site), site.service(_SERVICE, str)))


SCENARIO = on_live_iso(
    "assisted",
    "Assisted installer: discovery ISO, units written at run time, live-apply by the agent",
    LiveKind.ASSISTED, _config, (Service(name=_SERVICE, run=_serve),),
)  # fmt: skip
