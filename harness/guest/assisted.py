"""Ignition pieces for a live system that an agent turns into a bootstrap machine.

The units and scripts are in `fixtures/guest/assisted`. They do what the assisted and the
agent-based installer do on the node, without their service.

Source: openshift/assisted-installer, openshift/installer data/data/agent.
"""

from __future__ import annotations

from dataclasses import dataclass

from harness.guest.files import BIN, failed_unit, programs, run_dropin, unit
from harness.model.ignition import Config, Document, Dropin, File, Unit, render
from harness.model.secret import Secret

_AGENT = "assisted/agent.service"
_NODE_ZERO = "assisted/node-zero.service"
_PROGRAMS = ("assisted/assisted-agent", "assisted/assisted-once-from")
_RENDEZVOUS = "/etc/assisted/rendezvous-host.env"
_CONFIG = "/usr/local/share/assisted-service/bootstrap.ign"
_MARK = "/etc/assisted/node0"
"""On the host that leads, written by `set-node-zero.sh`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Agent:
    """How long an agent waits for the overlay, and the units that it starts then.

    It writes the bootstrap config from a container of `image`, which may be any image.
    """

    wait_s: float
    starts: tuple[str, ...]
    image: str


def assisted(agent: Agent, bootstrap_url: str) -> Config:
    """Run an agent that fetches the bootstrap config from a service."""
    return Config(files=programs(*_PROGRAMS), units=(_agent(agent, bootstrap_url), failed_unit()))


def agent_based(agent: Agent, bootstrap: Document, rendezvous: str) -> Config:
    """Run an agent with the bootstrap config, which leads on the host with address `rendezvous`."""
    return Config(
        files=(
            *programs(*_PROGRAMS, "assisted/set-node-zero.sh"),
            File(path=_RENDEZVOUS, contents=f"NODE_ZERO_IP={rendezvous}\n", overwrite=True),
            File(path=_CONFIG, contents=Secret(render(bootstrap)), mode=0o600, overwrite=True),
        ),
        units=(
            _agent(agent, f"file://{_CONFIG}", _MARK),
            unit(_NODE_ZERO, enabled=True),
            failed_unit(),
        ),
    )


def followed() -> Config:
    """Report what a live system keeps in memory when the agent of others has overlaid it."""
    report = (
        f"/usr/bin/bash -c '{BIN}/node-image-harness-event overlay progress "
        f'"$$({BIN}/node-image-harness-memory words)"\''
    )
    dropin = Dropin(
        name="60-node-image-harness.conf", contents=f"[Service]\nExecStartPost=-{report}\n"
    )
    return Config(
        files=programs("node-image-harness-memory"),
        units=(
            unit("install/node-image-harness-memory.service", enabled=True),
            Unit(name="node-image-overlay.service", dropins=(dropin,)),
        ),
    )


def _agent(agent: Agent, url: str, mark: str = "") -> Unit:
    values = {
        "BOOTSTRAP_URL": url,
        "AGENT_MARK": mark,
        "AGENT_IMAGE": agent.image,
        "AGENT_WAIT_S": f"{agent.wait_s:.0f}",
        "AGENT_STARTS": " ".join(agent.starts),
    }
    # The agent ends by itself before, with a reason.
    limit = f"RuntimeMaxSec={agent.wait_s + 60:.0f}\n"
    return unit(_AGENT, run_dropin(limit, values), enabled=True)
