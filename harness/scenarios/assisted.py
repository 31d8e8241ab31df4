"""Assisted installer: an agent on the discovery ISO fetches the bootstrap config from a service."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from harness.cluster.web import serve
from harness.guest.assisted import assisted
from harness.guest.keys import make_run_keys
from harness.model.ignition import render
from harness.scenarios.medium import live_plan
from harness.scenarios.needs import Need
from harness.scenarios.on_demand import agent_of, bootstrap_config, brought_up
from harness.scenarios.scenario import AppliedNode, Inputs, Rig, Scenario

_PLAN = live_plan("assisted", 4096)
_PATH = "/api/assisted-install/v2/infra-envs/run/downloads/files/bootstrap.ign"


@contextmanager
def _bring_up(rig: Rig, inputs: Inputs) -> Iterator[AppliedNode]:
    keys = make_run_keys()
    text = render(bootstrap_config(rig, inputs))
    with serve({_PATH: text.encode()}) as service:
        agent = assisted(agent_of(rig), f"{service.url_in_guest}{_PATH}")
        with brought_up(rig, inputs, _PLAN, keys, agent) as node:
            yield node


SCENARIO = Scenario(
    name=_PLAN.name,
    title="Assisted installer: discovery ISO, units written at run time, live-apply by the agent",
    memory_mib=_PLAN.memory_mib,
    bring_up=_bring_up,
    needs=(Need.LIVE_ISO,),
)
