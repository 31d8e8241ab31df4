"""The scenario of benchmarks that need no node layer: a bootimage with a login."""

from __future__ import annotations

from harness.guest.live_apply import BEFORE_OVERLAY, OBSERVE
from harness.model.clock import Deadline
from harness.model.ignition import Document
from harness.player.plan import MachinePlan
from harness.player.running import Running
from harness.player.scenario import Scenario
from harness.player.site import Site
from harness.player.steps import Check, LogIn, SwitchOn

NODE = "node"
LOGIN = "login"


def config(site: Site) -> Document:
    return site.document()


def snapshot(running: Running, deadline: Deadline) -> None:
    """Take the first snapshot of a node, which otherwise live-apply takes."""
    running.session.run(f"{OBSERVE} > {BEFORE_OVERLAY}", deadline, check=True)


SCENARIO = Scenario(
    name="bench_boot",
    title="a bootimage with nothing but a login",
    machines=(MachinePlan(name=NODE, memory_mib=2048, config=config),),
    steps=lambda _: (
        SwitchOn(machine=NODE),
        LogIn(machine=NODE),
        Check(machine=NODE, name="snapshot-before", act=snapshot),
    ),
)
