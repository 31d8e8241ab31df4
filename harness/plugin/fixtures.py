"""The fixtures that the plugin gives to tests; each a line or two over the workplace."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, cast

import pytest

from harness.model.errors import InputError
from harness.player.applied import APPLIED, only
from harness.plugin.asked import catalogue_of, settings_of
from harness.plugin.collection import (
    NODE,
    NODES,
    OF,
    NotWanted,
    Own,
    own_step,
    wants_new_machine_id,
)
from harness.plugin.contract import contract_of
from harness.plugin.state import workplace_of
from harness.workplace.options import Settings

if TYPE_CHECKING:
    from testinfra.host import Host

    from harness.images.bootimage import BootImage
    from harness.images.container.node_image import NodeImage
    from harness.model.clock import Deadline
    from harness.model.node_state import NodeState
    from harness.node.readiness import Level
    from harness.node.ssh import Session
    from harness.player.applied import AppliedNode, AppliedNodes, OwnNode
    from harness.player.inputs import Inputs, Rig
    from harness.player.scenario import Scenario
    from harness.verdict.contract.image_set import ImageSet
    from harness.verdict.contract_rows import ContractRow
    from harness.verdict.rows import Row


OWN_NODES = pytest.StashKey[list["OwnNode"]]()
"""On a test: the nodes that it got by `forked_node`."""


@pytest.fixture(scope="session")
def node_image_settings(request: pytest.FixtureRequest) -> Settings:
    """What the user asked for, from the command line, environment and settings."""
    return settings_of(request.config)


@pytest.fixture(scope="session")
def bootimage(request: pytest.FixtureRequest) -> BootImage:
    """The bootimage under test: verified, unpacked, never to be written to."""
    return workplace_of(request.config).preparation.bootimage


@pytest.fixture(scope="session")
def node_image(request: pytest.FixtureRequest) -> NodeImage:
    """The node image under test: its digest, labels and layers."""
    return workplace_of(request.config).preparation.node_image


@pytest.fixture(scope="session")
def node_image_rig(request: pytest.FixtureRequest) -> Rig:
    """The rig: the run, the libvirt connection, the folder for evidence."""
    return workplace_of(request.config).rig


@pytest.fixture(scope="session")
def node_image_inputs(request: pytest.FixtureRequest) -> Inputs:
    """The inputs of every scenario: images that guests can pull, and extra Ignition configs."""
    return workplace_of(request.config).inputs


@pytest.fixture(scope="session")
def applied_nodes(request: pytest.FixtureRequest) -> Iterator[AppliedNodes]:
    """The judged nodes of a scenario, still running, by the names of their machines."""
    scenario = catalogue_of(request.config).named(request.param)
    with workplace_of(request.config).nodes(scenario, NODES) as nodes:
        yield nodes


@pytest.fixture(scope="session")
def applied_node(request: pytest.FixtureRequest) -> Iterator[AppliedNode]:
    """A node with its node layer, still running; once for each judged one of each scenario."""
    config, asked = request.config, request.param
    scenario, machine = _named(config, str(asked))
    if isinstance(asked, NotWanted):
        yield cast("AppliedNode", asked)
        return
    place = workplace_of(config)
    if isinstance(asked, Own):
        with place.own_nodes(scenario, APPLIED, asked.node) as own:
            place.hand_over(own[machine], asked.test, new_machine_id=asked.new_machine_id)
            yield own[machine].require_applied()
        return
    with place.nodes(scenario, asked) as nodes:
        yield nodes[machine]


def _named(config: pytest.Config, node: str) -> tuple[Scenario, str]:
    """Return the scenario and the machine of a node's parameter.

    Raises:
        InputError: there is no such node.
    """
    name, _, machine = node.partition(OF)
    scenario = catalogue_of(config).named(name)
    judged = {name: name for name in scenario.judged}
    if not machine:
        return scenario, only(judged)
    if machine not in judged:
        known = ", ".join(judged)
        problem = f"not a node of scenario {name}"
        raise InputError(f"node {node}", problem, f"Use one of: {known}.")
    return scenario, machine


@pytest.fixture
def forked_node(
    request: pytest.FixtureRequest, applied_node: AppliedNode
) -> Iterator[Callable[..., OwnNode]]:
    """Give a node of the test's own: a fork of the scenario's machine, gone with the test.

    `forked_node()` is as `applied_node` was at the scenario's end; `forked_node(at="login")` as it
    was after that step, which the test's mark `destructive(at="login")` has to announce. With
    `new_machine_id=True` a fork has a machine-id of its own, in place of its checkpoint's.
    """
    config, node = request.config, str(request.node.callspec.params[NODE])
    scenario, machine = _named(config, node)
    place = workplace_of(config)
    usual, usually_new = own_step(request.node) or APPLIED, wants_new_machine_id(request.node)
    with ExitStack() as forks:

        def fork(at: str = usual, *, new_machine_id: bool = usually_new) -> OwnNode:
            own = forks.enter_context(place.own_nodes(scenario, at, node))[machine]
            request.node.stash.setdefault(OWN_NODES, []).append(own)
            place.hand_over(own, request.node.nodeid, new_machine_id=new_machine_id)
            return own

        yield fork


@pytest.fixture(scope="session")
def node_before(applied_node: AppliedNode) -> NodeState:
    """The booted bootimage: what was there before the node layer came."""
    return applied_node.before


@pytest.fixture(scope="session")
def node_after(applied_node: AppliedNode) -> NodeState:
    """The same node at the scenario's end."""
    return applied_node.after


@pytest.fixture(scope="session")
def end_state(request: pytest.FixtureRequest) -> Callable[[str], NodeState]:
    """Give the state in which a scenario's node ended, by the scenario's name.

    A scenario that did not come up in this process is brought up for it.
    """
    place, catalogue = workplace_of(request.config), catalogue_of(request.config)
    return lambda name: place.end_state(catalogue.named(*catalogue.chosen((name,))))


@pytest.fixture(scope="session")
def node_session(applied_node: AppliedNode) -> Session:
    """The SSH session into the node; errors at once when its machine has died."""
    return applied_node.session


@pytest.fixture(scope="session")
def node_host(node_session: Session, node_image_rig: Rig) -> Host:
    """Testinfra's host for the node, its commands run as root.

    testinfra's own `host` fixture means the workstation, and only a conftest can replace it. Yours
    needs one line: `host = pytest.fixture(scope="session")(lambda node_host: node_host)`.
    """
    from harness.node.backend import LIMIT_S, make_host

    return make_host(node_session, "node", LIMIT_S * node_image_rig.timeout_factor)


@pytest.fixture(scope="session")
def guest_deadline(node_image_rig: Rig) -> Callable[[float], Deadline]:
    """Give a deadline so many seconds from now, stretched for slow guests and by the user."""
    from harness.model.clock import Deadline

    return lambda seconds: Deadline.after(seconds * node_image_rig.timeout_factor)


@pytest.fixture(scope="session")
def verdict(request: pytest.FixtureRequest, applied_node: AppliedNode) -> Callable[[Row], None]:
    """Check a row of the expectation table on the node; the test fails if it does not hold."""
    place = workplace_of(request.config)
    return lambda row: place.judge(row, applied_node)


@pytest.fixture(scope="session")
def contract_images(request: pytest.FixtureRequest) -> ImageSet:
    """The images of contract tests, as they were read: no machine boots."""
    return contract_of(request.config).images


@pytest.fixture(scope="session")
def image_verdict(request: pytest.FixtureRequest) -> Callable[[Row | ContractRow], None]:
    """Check a row of the expectation table on images alone; the test fails if it does not hold.

    A row that lacks an image is skipped, and the reason names the option.
    """
    place = contract_of(request.config)

    def judge(row: Row | ContractRow) -> None:
        if (lacking := place.judge(row)) is not None:
            pytest.skip(str(lacking))

    return judge


@pytest.fixture(scope="session")
def reach(
    applied_node: AppliedNode,
    guest_deadline: Callable[[float], Deadline],
    node_image_rig: Rig,
) -> Callable[[Level], str]:
    """Wait until the node reaches a level of readiness, noted as a phase of its machine."""
    from harness.node.readiness import READY_S

    def reach(level: Level) -> str:
        goal = f"{applied_node.watch.record.name}: waiting until {level.title}"
        with (
            node_image_rig.awaiting(lambda: goal),
            applied_node.watch.phase(f"ready-{level.name}", level.title),
        ):
            return level.reach(applied_node.session, guest_deadline(READY_S))

    return reach
