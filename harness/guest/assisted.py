"""Ignition pieces for a live system that an agent makes a bootstrap machine of while it runs.

The units and scripts lie in `fixtures/guest/assisted`; they do what the assisted installer and the
agent-based one do on the node, without their service.

Source: openshift/assisted-installer, openshift/installer data/data/agent.
"""

from __future__ import annotations

from dataclasses import dataclass

from harness.guest.files import failed_unit, programs, run_dropin, unit
from harness.model.ignition import Config, Document, File, Unit, render
from harness.model.secret import Secret

_AGENT = "assisted/agent.service"
_NODE_ZERO = "assisted/node-zero.service"
_PROGRAM = "assisted/assisted-agent"
_RENDEZVOUS = "/etc/assisted/rendezvous-host.env"
_CONFIG = "/usr/local/share/assisted-service/bootstrap.ign"
# Other hosts have nothing to bootstrap.
_ON_NODE_ZERO = "[Unit]\nConditionPathExists=/etc/assisted/node0\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Agent:
    """What an agent is told: how long to wait for the overlay, which units to start after it."""

    wait_s: float
    starts: tuple[str, ...]


def assisted(agent: Agent, bootstrap_url: str) -> Config:
    """Have an agent fetch the bootstrap config from a service elsewhere."""
    return Config(files=programs(_PROGRAM), units=(_agent(agent, bootstrap_url), failed_unit()))


def agent_based(agent: Agent, bootstrap: Document, rendezvous: str) -> Config:
    """Have the host with the address `rendezvous` lead; it has the bootstrap config itself."""
    return Config(
        files=(
            *programs(_PROGRAM, "assisted/set-node-zero.sh"),
            File(path=_RENDEZVOUS, contents=f"NODE_ZERO_IP={rendezvous}\n", overwrite=True),
            File(path=_CONFIG, contents=Secret(render(bootstrap)), mode=0o600, overwrite=True),
        ),
        units=(
            _agent(agent, f"file://{_CONFIG}", _ON_NODE_ZERO),
            unit(_NODE_ZERO, enabled=True),
            failed_unit(),
        ),
    )


def _agent(agent: Agent, url: str, condition: str = "") -> Unit:
    values = {
        "BOOTSTRAP_URL": url,
        "AGENT_WAIT_S": f"{agent.wait_s:.0f}",
        "AGENT_STARTS": " ".join(agent.starts),
    }
    # The agent gives up by itself, and says why.
    limit = f"RuntimeMaxSec={agent.wait_s + 60:.0f}\n"
    return unit(_AGENT, run_dropin(limit, values, condition), enabled=True)
