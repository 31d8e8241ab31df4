"""The key of a kept checkpoint: no input that matters can change without it.

Each field of what a play is given is in one of two tables: it matters, or it does not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from machine_fakes import make_run
from playing import RELEASE
from scenario_fakes import FakeImages, make_inputs, make_rig
from test_plays import scenario

from harness.cluster.payload import Payload
from harness.cluster.release_payload import ReleasePayload
from harness.images.acquire.digest import Sha256
from harness.machine.acceleration import Acceleration
from harness.machine.domain import hardware
from harness.machine.domain.architecture import Accelerator
from harness.machine.forking.kept import key_of
from harness.model.drawn import Drawn
from harness.model.ignition import Document, Json
from harness.model.secret import Secret
from harness.player import code
from harness.player.inputs import Inputs, Rig
from harness.player.playing.machines import planned
from harness.player.playing.origins import origin_at
from harness.player.playing.stage import staged
from harness.player.scenario import Scenario
from harness.player.steps import Check

BOOTSTRAP = scenario("ipi_bootstrap")
EMPTY: Document = {"ignition": {"version": "3.4.0"}}


def with_file(text: str) -> Document:
    file: Json = {"path": "/etc/a", "contents": {"source": f"data:,{quote(text)}"}}
    return {**EMPTY, "storage": {"files": [file]}}


class World:
    """A rig and inputs, and the key of the machines that are planned with them."""

    def __init__(self, folder: Path) -> None:
        self.qemu("8.0.0", folder / "qemu")
        rig = make_rig(folder)
        self.rig = replace(rig, emulator=replace(rig.emulator, path=folder / "qemu"))
        self.inputs = replace(
            make_inputs(), release=lambda: RELEASE, payload=Payload(folder=folder)
        )
        self.folder = folder
        self._drawn: dict[str, Drawn] = {}
        self._runs = 1

    def qemu(self, version: str, path: Path) -> None:
        path.write_text(f"#!/bin/sh\necho QEMU {version}\n")
        path.chmod(0o755)

    def key(
        self, rig: Rig | None = None, inputs: Inputs | None = None, scenario: Scenario = BOOTSTRAP
    ) -> str:
        """Return the key in a run of its own, which draws what the first one drew."""
        self._runs += 1
        run = make_run(self.folder, f"run-{self._runs:06}")
        rig = replace(rig or self.rig, run=run)
        drawn = Drawn(self._drawn[scenario.name].all if scenario.name in self._drawn else ())
        with staged(scenario, rig, inputs or self.inputs, drawn) as site:
            domains = {
                plan.name: rig.plan(rig.connection, run, planned(rig, site, plan))
                for plan in scenario.machines
            }
            found = key_of({n: origin_at(site, "applied", each) for n, each in domains.items()})
        self._drawn.setdefault(scenario.name, drawn)
        return found


@pytest.fixture
def world(tmp_path: Path) -> World:
    found = World(tmp_path)
    found.key()
    return found


def image(sha256: str) -> FakeImages:
    return FakeImages(replace(make_inputs().images.disk("bootimage"), sha256=Sha256(sha256)))


INPUTS_MATTER: Mapping[str, Callable[[World], Any]] = {
    "images": lambda _: image("1" * 64),
    "node_image": lambda world: replace(world.inputs.node_image, digest="sha256:other"),
    "pull_spec": lambda _: "10.0.2.2:5000/node@sha256:other",
    "pause_image": lambda _: "10.0.2.2:5000/pause@sha256:other",
    "registry": lambda world: replace(world.inputs.registry, ca_pem="other"),
    "authfile": lambda _: Secret('{"auths": {}}'),
    "extra_ignition": lambda _: (EMPTY, with_file("a")),
    "paths_to_observe": lambda _: ("/usr/bin/oc", "/usr/bin/other"),
    "payload": lambda _: None,  # then the scenario has other steps
    "release": lambda _: lambda: ReleasePayload(release_pull_spec="h/other@sha256:0", images={}),
}
# They are configs of other scenarios, or only name packages in reports.
INPUTS_DO_NOT = {"bootstrap_ignition", "live_ignition", "package_of", "known_package_of"}
RIG_MATTERS: Mapping[str, Callable[[World], Any]] = {
    "acceleration": lambda _: Acceleration(kind=Accelerator.KVM, reason="", timeout_factor=2.0),
    "timeout_factor": lambda _: 3.0,
    "hardware": lambda _: hardware.parse("uefi"),
    "memory_mib": lambda _: 4096,
    "emulator": lambda world: other_emulator(world),
}
RIG_DOES_NOT = {
    "connection", "run", "evidence", "report", "redactor", "allow", "today", "rules", "until",
    "checkpoints", "keeping", "usual_s", "awaiting", "boot", "plan", "fork", "connect", "clock",
    "reserve", "at_failure",
}  # fmt: skip


def other_emulator(world: World) -> object:
    path = world.folder / "other-qemu"
    world.qemu("8.0.0", path)
    return replace(world.rig.emulator, path=path)


def test_each_field_is_decided_on() -> None:
    assert {field.name for field in fields(Inputs)} == INPUTS_MATTER.keys() | INPUTS_DO_NOT
    assert {field.name for field in fields(Rig)} == RIG_MATTERS.keys() | RIG_DOES_NOT


def test_runs_of_the_same_inputs_have_one_key(world: World, tmp_path: Path) -> None:
    usual = world.key()

    assert world.key() == usual
    elsewhere = replace(
        world.rig, evidence=tmp_path / "other", until="login", checkpoints=frozenset({"login"})
    )
    assert world.key(elsewhere) == usual


@pytest.mark.parametrize("field", INPUTS_MATTER)
def test_no_input_can_change_alone(world: World, field: str) -> None:
    other = replace(world.inputs, **{field: INPUTS_MATTER[field](world)})

    assert world.key(inputs=other) != world.key()


@pytest.mark.parametrize("field", RIG_MATTERS)
def test_nothing_of_the_host_can_change_alone(world: World, field: str) -> None:
    other = replace(world.rig, **{field: RIG_MATTERS[field](world)})

    assert world.key(other) != world.key()


def test_an_update_of_qemu_is_another_key(world: World) -> None:
    usual = world.key()
    world.qemu("8.0.1", world.folder / "qemu")

    assert world.key() != usual


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=15
)
@given(
    texts=st.lists(st.text("ab %0", max_size=3), min_size=2, max_size=2, unique=True),
)
def test_no_byte_of_a_users_config_can_change_alone(world: World, texts: list[str]) -> None:
    one, other = (
        world.key(inputs=replace(world.inputs, extra_ignition=(with_file(text),))) for text in texts
    )

    assert one != other


def test_keys_and_certificates_are_in_the_key(world: World) -> None:
    usual = world.key()
    world._drawn.clear()

    assert world.key() != usual


PROJECT = """
from harness import Check, LogIn, SwitchOn

def act(running, deadline):
    running.session.run({command!r}, deadline)

def steps(given):
    return SwitchOn(machine="node"), LogIn(machine="node"), Check(machine="node", name="a", act=act)
"""


def project(folder: Path, command: str) -> Scenario:
    """Return a scenario whose code does something in its machine by SSH."""
    folder.mkdir(exist_ok=True)
    path = folder / "scenario.py"
    path.write_text(PROJECT.format(command=command))
    names: dict[str, Any] = {"__name__": "scenario"}
    exec(compile(path.read_text(), path, "exec"), names)  # noqa: S102 - as pytest imports it
    return replace(BOOTSTRAP, name="project", steps=names["steps"])


def test_what_a_project_does_by_ssh_is_in_the_key(world: World, tmp_path: Path) -> None:
    def key(command: str) -> str:
        return world.key(scenario=project(tmp_path / "project", command))

    assert key("touch /a") == key("touch /a")
    assert key("touch /a") != key("touch /b")


def test_a_module_beside_a_projects_scenario_is_in_the_key(world: World, tmp_path: Path) -> None:
    mine = project(tmp_path / "project", "true")
    usual = world.key(scenario=mine)
    (tmp_path / "project/helper.py").write_text("A = 1\n")

    assert world.key(scenario=mine) != usual


def test_the_digest_of_code_reads_our_rooms_and_the_observer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for room in (*code._ROOMS, "report"):
        (tmp_path / room).mkdir()
    monkeypatch.setattr(code, "_PACKAGE", tmp_path)
    seen = set()
    for path in ("guest/a.py", "scenarios/a.py", "node/a.py", "player/sub/a.py"):
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text("a")
        seen.add(code._shipped.__wrapped__())
    before = code._shipped.__wrapped__()
    (tmp_path / "report/a.py").write_text("a")

    assert len(seen) == 4
    assert code._shipped.__wrapped__() == before


def test_an_act_may_be_any_callable(world: World) -> None:
    class Act:
        def __call__(self, *_: object) -> None:
            """Do nothing."""

    def steps(given: Any) -> tuple[Any, ...]:  # noqa: ANN401
        return (*BOOTSTRAP.steps(given), Check(machine="node", name="a", act=Act()))

    assert world.key(scenario=replace(BOOTSTRAP, name="other", steps=steps))
