"""The assisted and the agent-based installer: a live-apply that an agent starts.

The units come while the system runs, and nothing is isolated: they stay active, and default.target
is what it was.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from harness.guest.assisted import Agent
from harness.guest.installers.live import LiveKind
from harness.guest.limits import LIMITS
from harness.guest.live_apply import on_demand
from harness.guest.validation import whole
from harness.model.ignition import Document
from harness.player.given import Given
from harness.player.plan import Service, live_machine
from harness.player.scenario import Scenario
from harness.player.steps import NODE_LAYER, Check, Checkpoint, LogIn, Reach, Step, SwitchOn
from harness.scenarios.flows import installer
from harness.scenarios.flows.checks import OVERLAY, MemoryBudget, memory_within

if TYPE_CHECKING:
    from harness.model.clock import Deadline
    from harness.player.running import Running
    from harness.player.site import Site

_NODE = "node"
_MEMORY_MIB = 4096
_AGENT_S = 180.0
_INSTALLERS_S = 3600.0
"""From the login: the service starts, the host registers, the installation begins, live-apply."""
_STARTS = ("kubelet.service",)
# For the guest's sh, which need not be bash. An isolate would have stopped the two units, and a
# generator's link changes what default.target is, though not what is configured.
LOOK = """\
systemctl is-active node-image-pull.service node-image-overlay.service | tr '\\n' ' '
printf '%s ' "$(systemctl show --property=Id --value default.target)"
if [ -e /usr/bin/oc ]; then echo oc; fi
"""
_END_MARKS = "active active multi-user.target oc"
_ELSEWHERE = "another host leads"


def on_live_iso(
    name: str,
    title: str,
    kind: LiveKind,
    config: Callable[[Site], Document],
    services: tuple[Service, ...] = (),
) -> Scenario:
    """Return the scenario of a live system with an agent in its `config`.

    It boots the installer's own config instead, if one of `kind` is given.
    """
    return Scenario(
        name=name, title=title, machines=(live_machine(_NODE, _MEMORY_MIB, config),),
        services=services, steps=_steps, live_config=kind,
    )  # fmt: skip


def agent_of(site: Site) -> Agent:
    """Return how long an agent waits for the overlay, and what it starts then."""
    return Agent(wait_s=site.limits.live_apply_s, starts=_STARTS, image=site.inputs.pause_image)


def bootstrap_config(site: Site) -> Document:
    """Return the bootstrap config that the agent writes at run time."""
    return whole((*site.kubelet, on_demand(site.inputs.pull_spec, site.limits)))


def end_marks(running: Running, deadline: Deadline) -> None:
    """Return if the system has the marks of a live-apply without generator and isolate.

    Raises:
        ProductError: a unit is no longer active, oc is missing, default.target changed, or the
            agent had nothing to do.
    """
    if any(event.stage == "agent" and event.detail == _ELSEWHERE for event in running.watch.events):
        raise running.watch.failed(
            "this host is not node zero: the rendezvous address of the config is another host's, "
            "and an agent installs only what node zero asks for"
        )
    seen = running.session.run(LOOK, deadline, check=True).stdout.strip()
    if seen != _END_MARKS:
        raise running.watch.failed(
            f"after the agent's live-apply: pull, overlay, default.target and oc are {seen!r} "
            f"instead of {_END_MARKS!r}"
        )


def _steps(given: Given) -> tuple[Step, ...]:
    agent = Reach(machine=_NODE, phase="agent", limit_s=LIMITS.live_apply_s + _AGENT_S)
    # The installer's agent does not report to the harness; what it is there for is the overlay.
    overlay = Reach(machine=_NODE, phase=OVERLAY, limit_s=_INSTALLERS_S)
    return (
        SwitchOn(machine=_NODE),
        *installer.noted(_NODE, given),
        LogIn(machine=_NODE),
        agent if given.live is None else overlay,
        Check(machine=_NODE, name="end-marks", act=end_marks),
        Checkpoint(name=NODE_LAYER),
        Check(machine=_NODE, name="memory", act=partial(memory_within, MemoryBudget())),
    )
