"""Which tests need a node, and what they are parametrised with: scenarios, rows, readiness levels.

The names of a test's arguments decide: `package_row` gives it every package row of the expectation
table, and any fixture of the node gives it every chosen scenario. A test's own `parametrize` of
such a name has precedence. Tests that do not apply to a scenario are removed afterwards: pytest
groups tests by node only while each argument is parametrised by itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

import pytest

from harness.model.errors import InputError
from harness.player.applied import APPLIED
from harness.player.scenario import Scenario
from harness.scenarios.catalogue import Catalogue

if TYPE_CHECKING:
    from harness.node.readiness import Level
    from harness.verdict.expectations import Expectations

NODE = "applied_node"
NODES = "applied_nodes"
OF = "/"
"""Between a scenario and one of its judged machines, where it has several, in a test's id."""
LEVEL = "readiness_level"
OWN_NODE = "forked_node"
DESTRUCTIVE = "destructive"
_AT, _NEW_MACHINE_ID = "at", "new_machine_id"
_SUFFIX = "_row"


@dataclass(frozen=True, slots=True, kw_only=True)
class Own:
    """The parameter of a test that gets its own fork of `node` in place of the shared one."""

    node: str
    test: str
    new_machine_id: bool = False

    def __str__(self) -> str:
        return self.node


@dataclass(frozen=True, slots=True, kw_only=True)
class NotWanted:
    """The parameter of a test that uses forks of `node`, but not the shared one itself."""

    node: str

    def __str__(self) -> str:
        return self.node

    def __getattr__(self, name: str) -> NoReturn:
        if name.startswith("__"):
            raise AttributeError(name)
        problem = "the shared node was not brought up, because no argument of the test asks for it"
        raise InputError(f"{NODE}.{name}", problem, f"Add {NODE} to the arguments of the test.")


def row_kinds(fixture_names: Iterable[str], kinds: Iterable[str]) -> tuple[str, ...]:
    """Return the kinds of rows that a test requests by arguments such as `package_row`."""
    asked = set(fixture_names)
    return tuple(kind for kind in kinds if f"{kind}{_SUFFIX}" in asked)


def parametrise_nodes(
    metafunc: pytest.Metafunc, names: Sequence[str], catalogue: Catalogue
) -> None:
    """Run the test once per node; first, so that the scenario comes first in the test's id."""
    nodes = [node for name in names for node in _nodes_of(catalogue.named(name))]
    for fixture, given in ((NODE, nodes), (NODES, names)):
        if fixture in metafunc.fixturenames and not _is_taken(metafunc, fixture):
            metafunc.parametrize(fixture, given, ids=given, indirect=True, scope="session")


def _nodes_of(scenario: Scenario) -> tuple[str, ...]:
    if len(scenario.judged) == 1:
        return (scenario.name,)
    return tuple(f"{scenario.name}{OF}{machine}" for machine in scenario.judged)


def parametrise_rows(metafunc: pytest.Metafunc, kind: str, table: Expectations | None) -> None:
    """Run the test once per row of `kind`."""
    found = (*table.rows, *table.contract) if table else ()
    rows = [row for row in found if row.test_kind == kind]
    if not _is_taken(metafunc, f"{kind}{_SUFFIX}"):
        metafunc.parametrize(f"{kind}{_SUFFIX}", rows, ids=[row.id for row in rows])


def parametrise_levels(metafunc: pytest.Metafunc, *, has_control_plane: bool) -> None:
    """Run the test once per level of readiness, the lowest first.

    The levels of a cluster need a control plane.
    """
    from harness.node.readiness import LEVELS

    levels = _known_levels() if has_control_plane else LEVELS
    if not _is_taken(metafunc, LEVEL):
        metafunc.parametrize(LEVEL, levels, ids=[level.name for level in levels])


def is_possible(item: pytest.Item, catalogue: Catalogue) -> bool:
    """Return whether a test's row and its level of readiness apply to its scenario."""
    name = scenario_of(item)
    if name is None or name not in catalogue.names:
        return True
    from harness.verdict.rows import applies

    scenario, given = catalogue.named(name), _parameters(item)
    rows = [value for key, value in given.items() if key.endswith(_SUFFIX)]
    level = given.get(LEVEL)
    if level in _known_levels() and level.name not in scenario.levels:
        return False
    return all(applies(row, scenario.way) for row in rows)


def _known_levels() -> tuple[Level, ...]:
    """Return the levels that scenarios can list; a project's own levels apply everywhere."""
    from harness.node.cluster_readiness import CLUSTER_LEVELS
    from harness.node.readiness import LEVELS

    return (*LEVELS, *CLUSTER_LEVELS)


def scenario_of(item: pytest.Item) -> str | None:
    """Return the scenario whose node a collected test uses, None for any other test."""
    given = _parameters(item)
    name = given.get(NODE, given.get(NODES))
    return str(name).partition(OF)[0] if name is not None else None


def forks_at(items: Iterable[pytest.Item]) -> frozenset[str]:
    """Return the steps at which collected tests want nodes of their own."""
    return frozenset(step for item in items if (step := own_step(item)) is not None)


def has_marker(item: pytest.Item, name: str) -> bool:
    """Return whether a test has a marker; pytest's own search for it is slow, and most have not."""
    return name in item.keywords and item.get_closest_marker(name) is not None


def own_step(item: pytest.Item) -> str | None:
    """Return the step at which a test wants a node of its own, None if it wants none."""
    names = getattr(item, "fixturenames", ())
    if OWN_NODE not in names and NODE not in names:
        return None
    mark = item.get_closest_marker(DESTRUCTIVE)
    if OWN_NODE not in names and mark is None:
        return None
    return str(mark.kwargs.get(_AT, APPLIED)) if mark else APPLIED


def wants_new_machine_id(item: pytest.Item) -> bool:
    """Return whether a test's mark asks for forks with a machine-id of their own."""
    mark = item.get_closest_marker(DESTRUCTIVE)
    return bool(mark and mark.kwargs.get(_NEW_MACHINE_ID, False))


def give_own(item: pytest.Item) -> None:
    """Give a destructive test that would use the shared node a fork of it instead.

    Raises:
        InputError: it asks for another step than the scenario's end, for all nodes together, or for
            something unknown.
    """
    names = getattr(item, "fixturenames", ())
    if not has_marker(item, DESTRUCTIVE) or {OWN_NODE, NODE, NODES}.isdisjoint(names):
        return
    _require_known(item)
    if OWN_NODE in names:
        return
    if NODES in names:
        problem = f"destructive tests cannot use {NODES}, which other tests share"
        raise InputError(item.nodeid, problem, f"Use {OWN_NODE}, or {NODE}.")
    if (step := own_step(item)) not in (None, APPLIED):
        problem = f"{NODE} is the node at the scenario's end, and not at {step}"
        raise InputError(item.nodeid, problem, f"Use {OWN_NODE}.")
    given = _parameters(item)
    if isinstance(node := given.get(NODE), str):
        item.callspec.params[NODE] = Own(  # type: ignore[attr-defined]
            node=node, test=item.nodeid, new_machine_id=wants_new_machine_id(item)
        )


def _require_known(item: pytest.Item) -> None:
    mark = item.get_closest_marker(DESTRUCTIVE)
    if mark is None:
        return
    unknown = [*map(repr, mark.args), *(mark.kwargs.keys() - {_AT, _NEW_MACHINE_ID})]
    if unknown:
        problem = f"the mark {DESTRUCTIVE} does not take {unknown[0]}"
        raise InputError(item.nodeid, problem, f"Use {_AT}= or {_NEW_MACHINE_ID}=.")


def spare_shared(item: pytest.Item) -> None:
    """Spare a test the shared node if it has nothing to do with it but forks."""
    names = getattr(item, "fixturenames", ())
    given = _parameters(item)
    if OWN_NODE not in names or not isinstance(node := given.get(NODE), str):
        return
    info = item._fixtureinfo  # type: ignore[attr-defined]
    others = (
        definition.argnames
        for name, definitions in info.name2fixturedefs.items()
        if name != OWN_NODE
        for definition in definitions
    )
    if not any(NODE in arguments for arguments in (info.argnames, *others)):
        item.callspec.params[NODE] = NotWanted(node=node)  # type: ignore[attr-defined]


def has_own(item: pytest.Item) -> bool:
    """Return whether a test gets its own node in place of the shared one."""
    return isinstance(_parameters(item).get(NODE), Own)


def needs_forks_alone(item: pytest.Item) -> bool:
    """Return whether a test needs nothing of its scenario but forks."""
    return isinstance(_parameters(item).get(NODE), Own | NotWanted)


def _parameters(item: pytest.Item) -> Mapping[str, Any]:
    spec = getattr(item, "callspec", None)
    return spec.params if spec else {}


def _is_taken(metafunc: pytest.Metafunc, name: str) -> bool:
    """Whether the test parametrises `name` itself."""
    marks = metafunc.definition.iter_markers("parametrize")
    named = (mark.args[0] if mark.args else mark.kwargs["argnames"] for mark in marks)
    return any(
        name in (names.replace(" ", "").split(",") if isinstance(names, str) else names)
        for names in named
    )
