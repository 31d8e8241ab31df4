"""A checkpoint that one run keeps, and the forks of it in a later run that boots nothing."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from kept_fakes import qemu_img
from playing import Host
from recordings import recordings_of
from test_plays import MEMORY, Images, inputs_for, scenario

from harness.machine.forking.store import Store
from harness.model.drawn import Drawing
from harness.model.ignition import Document
from harness.model.secret import Secret
from harness.player.applied import APPLIED, AppliedNodes, CannotForkError, Forks
from harness.player.inputs import Inputs
from harness.player.keeping import Keeping, play_of
from harness.player.player import play
from harness.player.playing.reviving import revived
from harness.player.site import Site
from harness.player.steps import NODE_LAYER

LIVE = ("sno", "agent", "assisted", "upi_install")
KEPT = ("ipi_bootstrap", "ipi_cluster", "upi", "fat", *LIVE)
REGISTRY: tuple[Drawing, ...] = (("port", Secret("20000")),)


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    # Short: links between machines are sockets. In memory: a play writes many records.
    with TemporaryDirectory(prefix="node-image-play-", dir=MEMORY) as folder:
        yield Path(folder)


@pytest.fixture(autouse=True)
def _with_programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    programs = tmp_path / "programs"
    programs.mkdir()
    qemu_img(programs)
    monkeypatch.setenv("PATH", f"{programs}:/bin")


class World:
    """One host on which runs follow each other."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder = folder
        self.scenario = scenario(name)
        self.store = Store(folder / "checkpoints", lambda line: self.lines.append(line))
        self.keeping = Keeping(store=self.store, registry=REGISTRY)
        self.lines: list[str] = []
        self.steps = {"login", APPLIED}
        self._runs = 0

    def run(self) -> tuple[Host, Inputs]:
        self._runs += 1
        folder = self.folder / f"run-{self._runs}"
        folder.mkdir()
        host = Host(folder, recordings_of(self.scenario.name))
        host.checkpoints = frozenset(self.steps)
        host.keeping, host.qemu = self.keeping, self.folder / "qemu"
        return host, inputs_for(self.scenario.name, self.folder)

    @contextmanager
    def played(self) -> Iterator[tuple[Host, AppliedNodes]]:
        host, inputs = self.run()
        with play(self.scenario, host.rig, inputs) as nodes:
            yield host, nodes

    @contextmanager
    def revived(
        self, step: str = APPLIED, *, by: Inputs | None = None
    ) -> Iterator[tuple[Host, Forks]]:
        host, inputs = self.run()
        with revived(self.scenario, host.rig, by or inputs, step) as forks:
            yield host, forks


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path, "ipi_bootstrap")


def reported(host: Host) -> str:
    return "\n".join(line for _, line in host.lines)


@pytest.mark.parametrize("name", KEPT)
def test_a_later_run_forks_without_a_boot(tmp_path: Path, name: str) -> None:
    world = World(tmp_path, name)
    with world.played() as (_, nodes):
        pass

    with world.revived() as (host, forks), forks.fork(APPLIED) as own:
        assert host.specs == {}
        assert own.keys() == {plan.name for plan in world.scenario.machines}
        for judged in world.scenario.judged:
            node = own[judged]
            assert node.require_applied().before == nodes[judged].before
            assert node.require_applied().after == nodes[judged].after
            assert node.watch.boots == nodes[judged].watch.boots
            (made,) = {kept.made for kept in world.store.entries() if kept.step == APPLIED}
            assert node.checkpoint == f"{name} applied of {made}"
            assert node.watch.record.checkpoint == node.checkpoint


@pytest.mark.parametrize("name", LIVE)
def test_forks_of_a_live_system_find_the_medium_that_it_booted(tmp_path: Path, name: str) -> None:
    world = World(tmp_path, name)
    with world.played() as (host, _):
        (spec,) = host.specs.values()
        assert spec.cdrom is not None
        booted = spec.cdrom.read_bytes()
    assert not spec.cdrom.exists()

    with world.revived() as (host, forks), forks.fork(APPLIED):
        (saved,) = host.forks
        assert saved.domain.cdrom is not None
        assert saved.domain.cdrom.read_bytes() == booted
        assert saved.domain.cdrom.stat().st_mode & 0o777 == 0o600
    assert not saved.domain.cdrom.exists()


def test_another_live_iso_is_another_checkpoint(tmp_path: Path) -> None:
    world = World(tmp_path, "agent")
    with world.played():
        pass
    (tmp_path / "other").mkdir()
    images = Images(tmp_path / "other")
    iso = images.iso("live-iso")
    iso.write_bytes(iso.read_bytes()[:-1] + b"!")

    other = replace(world.run()[1], images=images)
    assert "was made of another images" in refused(world, other)


def test_a_service_that_guests_ask_later_has_the_same_address_or_is_another(
    tmp_path: Path,
) -> None:
    world = World(tmp_path, "assisted")
    with world.played():
        pass
    (kept,) = (each for each in world.store.entries() if each.step == APPLIED)
    port = int(dict(play_of(kept))["port of a web server"].reveal())

    with world.revived():
        socket.create_connection(("127.0.0.1", port)).close()
    with socket.create_server(("127.0.0.1", port)):
        assert "was made of another ignition" in refused(world)


def test_each_step_is_kept(world: World) -> None:
    with world.played() as (host, _):
        assert reported(host).count("kept in") == 2

    with world.revived("login") as (_, forks), forks.fork("login") as own:
        assert own["node"].session
        assert own["node"].applied is None


@pytest.mark.parametrize(
    ("name", "step"),
    [("ipi_bootstrap", NODE_LAYER), ("sno", NODE_LAYER), ("ipi_cluster", "node:login")],
)
def test_named_points_and_steps_of_one_machine_are_kept(
    tmp_path: Path, name: str, step: str
) -> None:
    world = World(tmp_path, name)
    world.steps = {step}
    with world.played():
        pass

    with world.revived(step) as (host, forks), forks.fork(step) as own:
        assert host.specs == {}
        assert own[world.scenario.judged[0]].session
        assert {node.checkpoint.partition(" of ")[0] for node in own.values()} == {f"{name} {step}"}


def test_a_second_cold_run_keeps_nothing_new(world: World) -> None:
    for _ in range(2):
        with world.played():
            pass

    assert [kept.step for kept in world.store.entries()].count(APPLIED) == 1


def test_files_of_a_run_are_not_needed_later(world: World) -> None:
    with world.played():
        pass
    first = world.folder / "run-1"

    with world.revived() as (host, forks), forks.fork(APPLIED):
        (saved,) = host.forks
        paths = (saved.ram, saved.state, saved.disk.path)
        assert not any(path.resolve().is_relative_to(first) for path in paths)


def refused(world: World, by: Inputs | None = None) -> str:
    lines: list[str] = []
    host, inputs = world.run()
    with (
        pytest.raises(CannotForkError, match="there is none"),
        revived(world.scenario, host.rig, by or inputs, APPLIED),
    ):
        lines.append("it was used")
    return reported(host) + "".join(lines)


def test_another_input_is_another_checkpoint(world: World) -> None:
    with world.played():
        pass
    _, inputs = world.run()
    document: Document = {"ignition": {"version": "3.4.0"}, "passwd": {"users": [{"name": "me"}]}}
    others = {
        "ignition": replace(inputs, extra_ignition=(document,)),
        "images": replace(inputs, node_image=replace(inputs.node_image, digest="sha256:other")),
        "ignition ": replace(inputs, pull_spec="10.0.2.2:1/node-image@sha256:1"),
        "ignition  ": replace(inputs, paths_to_observe=("/usr/bin/other",)),
    }
    for field, other in others.items():
        assert f"was made of another {field.strip()}" in refused(world, other)

    with world.revived():
        pass


def test_a_project_that_changes_its_code_gets_another_checkpoint(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    with world.played():
        pass
    monkeypatch.setattr("harness.player.playing.reviving.digest_of", lambda *_: "other")

    assert "was made of another code" in refused(world)


def test_guests_that_know_another_registry_are_not_used(world: World) -> None:
    with world.played():
        pass
    world.keeping = replace(world.keeping, registry=(("port", Secret("20001")),))

    assert "kept" not in refused(world)


def test_a_damaged_one_is_dropped_and_the_run_boots_cold(world: World) -> None:
    with world.played():
        pass
    for path in world.store.root.glob("*applied*/node.state"):
        path.write_bytes(b"stat\x65\x01")

    assert "is not there any more, or damaged" in refused(world)
    assert len(world.lines) == 1
    assert [kept.step for kept in world.store.entries()] == ["login"]


def test_one_that_does_not_load_is_dropped(world: World) -> None:
    with world.played():
        pass
    with world.revived() as (host, forks):
        world.store.__exit__(None, None, None)  # as if no other fork used it
        host.fork_problem = "does not load"
        with pytest.raises(CannotForkError, match="does not load"), forks.fork(APPLIED):
            pass

    assert [kept.step for kept in world.store.entries()] == ["login"]


SECRET: Document = {
    "ignition": {"version": "3.4.0"},
    "storage": {"files": [{"path": "/pull", "mode": 384, "contents": {"source": "data:,s3cr3t"}}]},
}


@pytest.mark.parametrize("brought", ["--authfile", "--ignition"])
def test_secrets_of_the_user_are_kept_only_if_asked(world: World, brought: str) -> None:
    world.keeping = replace(world.keeping, has_authfile=brought == "--authfile")
    host, inputs = world.run()
    given = replace(inputs, extra_ignition=(SECRET,)) if brought == "--ignition" else inputs
    with play(world.scenario, host.rig, given):
        pass

    assert reported(host).count(f"is not kept: {brought} may have secrets; --checkpoints keep") == 2
    assert world.store.entries() == ()

    world.keeping = replace(world.keeping, with_secrets=True)
    host, _ = world.run()
    with play(world.scenario, host.rig, given):
        pass
    assert len(world.store.entries()) == 2


def test_workers_are_told_which_scenarios_they_can_fork(world: World) -> None:
    usable: list[str] = []
    world.keeping = replace(world.keeping, outlives_run=False, note_usable=usable.append)
    with world.played() as (host, _):
        assert "checkpoint login shared with the other workers" in reported(host)
    assert usable == ["ipi_bootstrap"] * 2

    with world.revived("login"):
        assert usable == ["ipi_bootstrap"] * 3


@pytest.mark.parametrize("name", ["upi", "assisted"])
def test_a_scenario_whose_machines_ask_a_port_later_stays_in_one_worker(
    tmp_path: Path, name: str
) -> None:
    world, usable = World(tmp_path, name), list[str]()
    world.keeping = replace(world.keeping, note_usable=usable.append)
    with world.played():
        pass
    with world.revived():
        pass
    world.keeping = replace(world.keeping, outlives_run=False)
    with world.played() as (host, _):
        is_shared = "only one of them can serve the assisted" not in reported(host)

    assert is_shared == (name == "upi")
    assert set(usable) == ({name} if is_shared else set())


def test_a_checkpoint_that_cannot_be_shared_makes_no_scenario_usable(tmp_path: Path) -> None:
    world, usable = World(tmp_path, "sno_pxe"), list[str]()
    world.keeping = replace(world.keeping, outlives_run=False, note_usable=usable.append)
    with world.played() as (host, _):
        assert "is not shared with the other workers: its machines boot" in reported(host)

    assert usable == []


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("sno_pxe", "boot by network"),
        ("ipi_node", "its nodes depend on the control-plane of this run"),
    ],
)
def test_what_a_later_run_cannot_give_is_not_kept(tmp_path: Path, name: str, why: str) -> None:
    world = World(tmp_path, name)
    if name == "ipi_node":
        control = world.scenario.services[0]
        yields = replace(control, run=lambda _: _a_value())
        world.scenario = replace(world.scenario, services=(yields, *world.scenario.services[1:]))
    with world.played() as (host, _):
        assert why in reported(host)

    assert world.store.entries() == ()


class Learning:
    """A service whose guests depend on what it has learnt, here and in earlier runs."""

    def __init__(self, saved: Path | None) -> None:
        self.known = f"{saved.read_text()} and later" if saved else "then"

    def save(self, path: Path) -> None:
        path.write_text(self.known)


@pytest.fixture
def learning(tmp_path: Path) -> tuple[World, list[Learning]]:
    """A scenario whose nodes depend on a service on the host, and its services by run."""
    world, made = World(tmp_path, "ipi_node"), []

    @contextmanager
    def run(site: Site) -> Iterator[Learning]:
        made.append(Learning(site.saved.get("control-plane")))
        yield made[-1]

    control, *others = world.scenario.services
    services = (replace(control, run=run), *others)
    world.scenario = replace(world.scenario, services=services)
    return world, made


def test_a_service_goes_on_from_what_it_has_learnt(learning: tuple[World, list[Learning]]) -> None:
    world, made = learning
    with world.played():
        pass
    with world.revived() as (_, forks), forks.fork(APPLIED) as own:
        assert own["node"].session

    assert [each.known for each in made] == ["then", "then and later"]


def test_no_service_starts_from_damaged_files(learning: tuple[World, list[Learning]]) -> None:
    world, made = learning
    with world.played():
        pass
    for path in world.store.root.glob("*/control-plane.service"):
        path.write_text("than")

    assert "is not there any more, or damaged" in refused(world)
    assert len(made) == 1


def test_no_service_starts_for_a_checkpoint_of_other_code(
    learning: tuple[World, list[Learning]], monkeypatch: pytest.MonkeyPatch
) -> None:
    world, made = learning
    with world.played():
        pass
    monkeypatch.setattr("harness.player.playing.reviving.digest_of", lambda *_: "other")

    assert "was made of another code" in refused(world)
    assert len(made) == 1


@contextmanager
def _a_value() -> Iterator[str]:
    yield "state"


def test_without_keeping_nothing_is_written(world: World, tmp_path: Path) -> None:
    host, inputs = world.run()
    host.keeping = None
    with play(world.scenario, host.rig, inputs):
        pass

    assert not (tmp_path / "checkpoints").exists()
