"""Whose fault a machine's end is, which image is judged, and what a dead machine's rows say."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from harness.folders import fixture
from harness.images.container.node_image import NodeImage
from harness.images.reference import Reference, Transport
from harness.model.errors import InputError, ProductError, RigError
from harness.model.node_state import parse
from harness.player.applied import AppliedNode, AppliedNodes, Unwatched
from harness.player.plan import MachinePlan
from harness.player.scenario import Scenario
from harness.recording.artifacts import Artifacts, Place
from harness.verdict.rows import Invariant, InvariantRow, Layer, PackageRow
from harness.workplace import workplace
from harness.workplace.nodes import why_dead
from harness.workplace.options import read
from harness.workplace.workplace import Workplace

BEFORE, AFTER = (
    parse(fixture(f"transcripts/observe-{when}.txt").read_text()) for when in ("before", "after")
)
ANY: Any = None
INPUTS: Any = SimpleNamespace(pull_spec="10.0.2.2:5/node@sha256:1")


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        ("the guest powered off", ProductError),
        ("the guest crashed\n  qemu: panic", ProductError),
        ("QEMU ended by itself\n  qemu: out of memory", RigError),
    ],
)
def test_end_of_a_machine_is_the_guests_or_the_hosts(reason: str, kind: type[Exception]) -> None:
    error = why_dead(reason, "ipi", Path("/evidence"))

    assert type(error) is kind
    assert "/evidence" in str(error)


class Dead(Unwatched):
    """Looks after a machine that has died, in its first boot."""

    def check_alive(self) -> None:
        raise RigError("QEMU ended")


class Rebooted(Unwatched):
    boots = 2


def make_place() -> Workplace:
    artifacts = Artifacts(Place(path=Path("/evidence"), is_cache=False, begun_s=0.0))
    place = Workplace(read({}, {}, {}, Path()), print, artifacts)
    place.preparation.node_image = NodeImage(
        reference=Reference(transport=Transport.OCI, rest="/x:latest"), digest="sha256:1",
        labels={}, layers=(),
    )  # fmt: skip
    return place


def make_node(watch: Unwatched, reboots: int = 0) -> AppliedNode:
    return AppliedNode(
        machine=ANY, session=ANY, before=BEFORE, after=AFTER, watch=watch, reboots=reboots
    )


MACHINES = tuple(
    MachinePlan(name=name, memory_mib=512, config=lambda _: {}) for name in ("node-0", "node-1")
)


def scenario(name: str, machines: int = 1) -> Scenario:
    return Scenario(
        name=name, title=name, machines=MACHINES[:machines], steps=lambda _: ()
    )  # fmt: skip


@pytest.fixture
def played(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Play no scenario, but note which one is brought up and taken down."""
    log: list[str] = []

    @contextmanager
    def play(scenario: Scenario, _rig: object, _inputs: object) -> Iterator[AppliedNodes]:
        log.append(f"up {scenario.name}")
        yield AppliedNodes({name: make_node(Dead()) for name in scenario.judged})
        log.append(f"down {scenario.name}")

    monkeypatch.setattr(workplace, "play", play)
    return log


RUNC = PackageRow(name="runc", layer=Layer.NODE, source="x")
REBOOTS = InvariantRow(name=Invariant.NO_ADDITIONAL_REBOOTS, source="x")


@pytest.mark.parametrize(
    ("taken", "is_red"),
    [
        ("q/node@sha256:1", False),
        ("q/node@sha256:2", False),  # the list that the image is in
        ("q/node@sha256:3", False),  # as it was pushed
        ("q/node@sha256:4", True),
    ],
)
def test_node_that_pulled_another_image_than_the_one_under_test_is_red(
    taken: str, is_red: bool
) -> None:
    place = make_place()
    place.preparation.node_image = replace(place.preparation.node_image, list_digest="sha256:2")
    place.inputs = cast("Any", SimpleNamespace(pull_spec="10.0.2.2:5/node@sha256:3"))
    row = InvariantRow(name=Invariant.NODE_IMAGE_IS_TAKEN, source="x")

    problem = pytest.raises(ProductError, match="sha256:4; under test is sha256:1")
    with problem if is_red else nullcontext():
        place.judge(row, replace(make_node(Unwatched()), node_image=taken))


def test_snapshots_of_a_machine_that_died_later_are_judged(played: list[str]) -> None:
    place = make_place()
    place.rig, place.inputs = ANY, INPUTS

    with place.nodes(scenario("one")) as nodes:
        place.judge(RUNC, nodes.only)
        with pytest.raises(RigError, match="QEMU ended"):
            place.judge(REBOOTS, nodes.only)
        assert isinstance(place.why_dead("one"), RigError)

    assert place.why_dead("one") is None


def test_nodes_of_one_scenario_are_brought_up_once_for_all_their_tests(played: list[str]) -> None:
    place = make_place()
    place.rig, place.inputs = ANY, INPUTS

    for machine in ("node-0", "node-1"):
        with place.nodes(scenario("two", 2)) as nodes:
            assert machine in nodes
    with place.nodes(scenario("one")), place.nodes(scenario("one")):
        assert played == ["up two", "down two", "up one"]
    with place.nodes(scenario("two", 2)), pytest.raises(InputError, match="several nodes: node-0"):
        _ = nodes.only
    place.close()

    assert played[3:] == ["down one", "up two", "down two"]


def test_scenario_that_failed_fails_the_same_for_all_its_nodes_until_one_asks_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plays: list[str] = []

    @contextmanager
    def play(scenario: Scenario, _rig: object, _inputs: object) -> Iterator[AppliedNodes]:
        plays.append(scenario.name)
        if len(plays) < 3:
            raise ProductError(f"failure {len(plays)}")
        yield AppliedNodes({name: make_node(Unwatched()) for name in scenario.judged})

    monkeypatch.setattr(workplace, "play", play)
    place = make_place()
    place.rig, place.inputs = ANY, INPUTS
    asked = []
    for asker in ("two/node-0", "two/node-1", "two/node-0"):
        with pytest.raises(ProductError) as caught, place.nodes(scenario("two", 2), asker):
            pass
        asked.append(str(caught.value))

    assert asked == ["failure 1", "failure 1", "failure 2"]
    with place.nodes(scenario("two", 2), "two/node-0"):
        pass
    with place.nodes(scenario("one")), place.nodes(scenario("two", 2), "applied_nodes"):
        assert plays[3:] == ["one", "two"], "what came up has not failed any more"


def test_end_state_of_several_nodes_is_refused_before_one_boots(played: list[str]) -> None:
    with pytest.raises(InputError, match="has several nodes: node-0, node-1"):
        make_place().end_state(scenario("two", 2))

    assert played == []


@pytest.mark.parametrize("reboots", [0, 1])
def test_reboots_are_held_to_the_budget_of_the_nodes_scenario(reboots: int) -> None:
    place, node = make_place(), make_node(Rebooted(), reboots)

    if reboots:
        place.judge(REBOOTS, node)
    else:
        with pytest.raises(ProductError, match="reboot"):
            place.judge(REBOOTS, node)


def test_node_of_a_projects_own_is_judged_too() -> None:
    place = make_place()

    place.judge(RUNC, make_node(Unwatched()))
    with pytest.raises(ProductError, match="reboot"):
        place.judge(REBOOTS, make_node(Rebooted()))
