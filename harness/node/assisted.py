"""Ignition pieces for a live system that an agent makes a bootstrap machine of while it runs.

The units and scripts lie in `fixtures/guest/assisted`; they do what the assisted installer and the
agent-based one do on the node, without their service.

Source: openshift/assisted-installer, openshift/installer data/data/agent.
"""

from __future__ import annotations

from dataclasses import dataclass

from harness import folders
from harness.model.ignition import Config, Document, Dropin, File, Unit, render
from harness.model.secret import Secret

STAGE = "agent"
"""The stage that the guest tells as done when the bootstrap's units are started."""

_AGENT = "agent.service"
_NODE_ZERO = "node-zero.service"
_FAILED = "node-image-harness-failed@.service"
_RENDEZVOUS = "/etc/assisted/rendezvous-host.env"
_CONFIG = "/usr/local/share/assisted-service/bootstrap.ign"
# Other hosts have nothing to bootstrap.
_ON_NODE_ZERO = "[Unit]\nConditionPathExists=/etc/assisted/node0\n"
_TOLD = ("node-image-harness-tell", "node-image-harness-failed")


@dataclass(frozen=True, slots=True, kw_only=True)
class Agent:
    """What an agent is told: how long to wait for the overlay, which units to start after it."""

    wait_s: float
    starts: tuple[str, ...]


def assisted(agent: Agent, bootstrap_url: str) -> Config:
    """Have an agent fetch the bootstrap config from a service elsewhere."""
    return Config(
        files=_programs(("assisted-agent",)), units=(_agent(agent, bootstrap_url), _failed())
    )


def agent_based(agent: Agent, bootstrap: Document, rendezvous: str) -> Config:
    """Have the host with the address `rendezvous` lead; it has the bootstrap config itself."""
    return Config(
        files=(
            *_programs(("assisted-agent", "set-node-zero.sh")),
            File(path=_RENDEZVOUS, contents=f"NODE_ZERO_IP={rendezvous}\n", overwrite=True),
            File(path=_CONFIG, contents=Secret(render(bootstrap)), mode=0o600, overwrite=True),
        ),
        units=(
            _agent(agent, f"file://{_CONFIG}", _ON_NODE_ZERO),
            Unit(name=_NODE_ZERO, contents=_text(f"assisted/{_NODE_ZERO}"), enabled=True),
            _failed(),
        ),
    )


def _agent(agent: Agent, url: str, condition: str = "") -> Unit:
    values = {
        "BOOTSTRAP_URL": url.replace("%", "%%"),
        "AGENT_WAIT_S": f"{agent.wait_s:.0f}",
        "AGENT_STARTS": " ".join(agent.starts),
    }
    environment = "".join(f'Environment="{name}={value}"\n' for name, value in values.items())
    # The agent gives up by itself, and says why.
    contents = f"{condition}[Service]\nRuntimeMaxSec={agent.wait_s + 60:.0f}\n{environment}"
    dropins = (Dropin(name="50-run.conf", contents=contents),)
    return Unit(name=_AGENT, contents=_text(f"assisted/{_AGENT}"), enabled=True, dropins=dropins)


def _failed() -> Unit:
    return Unit(name=_FAILED, contents=_text(f"units/{_FAILED}"))


def _programs(names: tuple[str, ...]) -> tuple[File, ...]:
    sources = {name: f"assisted/{name}" for name in names} | {name: name for name in _TOLD}
    return tuple(
        File(path=f"/usr/local/bin/{name}", contents=_text(at), mode=0o755, overwrite=True)
        for name, at in sources.items()
    )


def _text(name: str) -> str:
    return folders.fixture(f"guest/{name}").read_text(encoding="utf-8")
