"""Agent-based installer: as assisted, with all in the ISO, led by the host where all meet."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from harness.guest.assisted import agent_based
from harness.guest.keys import make_run_keys
from harness.model.guest_network import GUEST
from harness.scenarios.medium import live_plan
from harness.scenarios.needs import Need
from harness.scenarios.on_demand import agent_of, bootstrap_config, brought_up
from harness.scenarios.scenario import AppliedNode, Inputs, Rig, Scenario

_PLAN = live_plan("agent", 4096)


@contextmanager
def _bring_up(rig: Rig, inputs: Inputs) -> Iterator[AppliedNode]:
    agent = agent_based(agent_of(rig), bootstrap_config(rig, inputs), GUEST)
    with brought_up(rig, inputs, _PLAN, make_run_keys(), agent) as node:
        yield node


SCENARIO = Scenario(
    name=_PLAN.name,
    title="Agent-based installer: agent ISO, node zero, live-apply by the agent",
    memory_mib=_PLAN.memory_mib,
    bring_up=_bring_up,
    needs=(Need.LIVE_ISO,),
)
