"""Nodes of a test's own: which tests get them, and whether they are forks or booted cold."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any, cast

import pytest
from test_plays import scenario

from harness.model.errors import InputError
from harness.player.applied import APPLIED, AppliedNodes, CannotForkError
from harness.player.scenario import Scenario
from harness.plugin.collection import (
    NotWanted,
    Own,
    forks_at,
    give_own,
    has_own,
    needs_forks_alone,
    own_step,
    scenario_of,
    wants_new_machine_id,
)
from harness.workplace.nodes import Nodes

BOOTSTRAP = scenario("ipi_bootstrap")


class Rooms:
    """What `Nodes` brings up, with forks that work or do not."""

    def __init__(self, *, can_fork: bool = True) -> None:
        self.log: list[str] = []
        self._can_fork = can_fork

    @contextmanager
    def play(self, scenario: Scenario) -> Iterator[AppliedNodes]:
        self.log.append(f"up {scenario.name}")
        node = SimpleNamespace(after=None)
        yield AppliedNodes({"node": node}, self)  # type: ignore[dict-item, arg-type]  # fakes
        self.log.append(f"down {scenario.name}")

    @contextmanager
    def play_to(self, scenario: Scenario, step: str) -> Iterator[dict[str, str]]:
        self.log.append(f"cold {step}")
        yield {"node": "cold"}

    @contextmanager
    def fork(self, step: str) -> Iterator[dict[str, str]]:
        if not self._can_fork:
            raise CannotForkError("checkpoint", "is lost")
        self.log.append(f"fork {step}")
        yield {"node": "forked"}
        self.log.append("fork ended")


def nodes_of(rooms: Rooms, *forks_at: str) -> Nodes:
    nodes = Nodes(rooms.play, rooms.play_to)  # type: ignore[arg-type]  # fakes
    nodes.forks_at = frozenset(forks_at)
    return nodes


def test_one_boot_serves_the_shared_tests_and_those_with_forks() -> None:
    rooms = Rooms()
    nodes = nodes_of(rooms, APPLIED)
    with nodes.of(BOOTSTRAP):
        pass
    for _ in range(2):
        with nodes.own(BOOTSTRAP, APPLIED, "test") as own:
            assert str(own["node"]) == "forked"
    with nodes.of(BOOTSTRAP):
        pass
    nodes.take_down_unused()

    fork = ["fork applied", "fork ended"]
    assert rooms.log == ["up ipi_bootstrap", *fork, *fork, "down ipi_bootstrap"]


def test_a_test_gets_a_cold_machine_if_there_is_no_fork() -> None:
    rooms = Rooms(can_fork=False)
    with nodes_of(rooms, APPLIED).own(BOOTSTRAP, APPLIED, "test") as own:
        assert str(own["node"]) == "cold"

    assert rooms.log == ["up ipi_bootstrap", "cold applied"]


def test_fresh_boots_a_machine_without_the_shared_one() -> None:
    rooms = Rooms()
    nodes = nodes_of(rooms)
    nodes.are_fresh = True
    with nodes.own(BOOTSTRAP, "login", "test"):
        pass

    assert rooms.log == ["cold login"]


def item(*fixtures: str, node: str = "ipi_node/worker", **mark: object) -> pytest.Item:
    marks = {"destructive": SimpleNamespace(args=(), kwargs={k: v for k, v in mark.items() if v})}
    found = marks if mark else {}
    return cast(
        "pytest.Item",
        SimpleNamespace(
            nodeid="test.py::test", fixturenames=fixtures, keywords=found,
            get_closest_marker=found.get,
            callspec=SimpleNamespace(params={"applied_node": node}),
        ),
    )  # fmt: skip


def test_a_checkpoint_of_an_own_boot_serves_when_its_nodes_are_down() -> None:
    rooms, kept = Rooms(), list[str]()

    @contextmanager
    def revive(scenario: Scenario, step: str) -> Iterator[Rooms]:
        if not kept:
            raise CannotForkError("kept checkpoint", "there is none")
        yield rooms

    nodes = Nodes(rooms.play, rooms.play_to, revive)  # type: ignore[arg-type]  # fakes
    nodes.forks_at = frozenset({APPLIED})
    with nodes.own(BOOTSTRAP, APPLIED, "test"):
        kept.append("by the boot")
    nodes.take_down_unused()
    with nodes.own(BOOTSTRAP, APPLIED, "test"):
        pass

    assert rooms.log.count("up ipi_bootstrap") == 1
    assert rooms.log.count("fork applied") == 2


def test_tests_that_need_forks_alone_can_be_anywhere() -> None:
    shared, own = item("applied_node"), item("applied_node", at=None)
    give_own(own)
    other = item("forked_node", "applied_node")
    other.callspec.params["applied_node"] = NotWanted(node="ipi_node")  # type: ignore[attr-defined]

    assert [needs_forks_alone(each) for each in (shared, own, other)] == [False, True, True]


def test_steps_of_forks_are_known_when_the_tests_are_collected() -> None:
    items = [
        item("applied_node"),
        item("applied_node", at=None),
        item("forked_node", "applied_node"),
        item("forked_node", "applied_node", at="login"),
        item("bootimage", at="node-layer"),
    ]

    assert [own_step(each) for each in items] == [None, APPLIED, APPLIED, "login", None]
    assert forks_at(items) == {APPLIED, "login"}


def test_a_destructive_test_gets_its_own_node_of_the_same_scenario() -> None:
    shared, own, both = (
        item("applied_node"),
        item("applied_node", at=None),
        item("applied_node", "forked_node", at=None),
    )
    for each in (shared, own, both):
        give_own(each)

    given = [each.callspec.params["applied_node"] for each in (shared, own, both)]  # type: ignore[attr-defined]
    assert given == ["ipi_node/worker", Own(node="ipi_node/worker", test="test.py::test"), given[0]]
    assert {scenario_of(each) for each in (shared, own, both)} == {"ipi_node"}
    assert [has_own(each) for each in (shared, own, both)] == [False, True, False]


@pytest.mark.parametrize(
    ("fixtures", "mark", "problem"),
    [
        ("applied_nodes", {"at": None}, "destructive tests cannot use applied_nodes"),
        ("applied_node", {"at": "login"}, "applied_node is the node at the scenario's end, and"),
        ("applied_node", {"new_machineid": True}, "destructive does not take new_machineid. Use"),
        ("forked_node", {"step": "login"}, "the mark destructive does not take step. Use at="),
    ],
)
def test_a_destructive_test_that_cannot_get_its_own_node_is_refused(
    fixtures: str, mark: dict[str, Any], problem: str
) -> None:
    with pytest.raises(InputError, match=problem):
        give_own(item(fixtures, **mark))


def test_a_mark_asks_for_a_machine_id_of_the_forks_own() -> None:
    asks, asks_not = item("applied_node", new_machine_id=True), item("applied_node", at=None)
    for each in (asks, asks_not):
        give_own(each)

    given = [each.callspec.params["applied_node"] for each in (asks, asks_not)]  # type: ignore[attr-defined]
    assert [own.new_machine_id for own in given] == [True, False]
    assert [wants_new_machine_id(each) for each in (asks, asks_not)] == [True, False]
