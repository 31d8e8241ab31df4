"""Which tests need a node, and what they are parametrised with: scenarios, rows, readiness levels.

A test says it by the names of its arguments: `package_row` gives it every package row of the
expectation table, and any fixture of the node gives it every scenario asked for. A test's own
`parametrize` of such a name is left alone. What a scenario's way rules out is taken out again:
pytest groups tests by one node only while each argument is parametrised by itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pytest

from harness.model.errors import InputError
from harness.scenarios import scenario as scenarios
from harness.scenarios.scenario import Scenario
from harness.wiring.options import EVERY_SCENARIO

if TYPE_CHECKING:
    from harness.verdict.expectations import Expectations

NODE = "applied_node"
LEVEL = "readiness_level"
_SUFFIX = "_row"


class Catalogue:
    """The scenarios that can be asked for: the harness's own, and those a project's hook adds."""

    def __init__(self, added: Iterable[Scenario]) -> None:
        self._added = {scenario.name: scenario for scenario in added}

    @property
    def names(self) -> tuple[str, ...]:
        """All names, sorted."""
        return tuple(sorted({*scenarios.names(), *self._added}))

    def named(self, name: str) -> Scenario:
        """Return the scenario `name`, one of `names`."""
        return self._added.get(name) or scenarios.named(name)

    def chosen(self, wanted: Sequence[str]) -> tuple[str, ...]:
        """Return the names that `wanted` stands for.

        Raises:
            InputError: one is unknown.
        """
        if EVERY_SCENARIO in wanted:
            return self.names
        for name in wanted:
            if name not in self.names:
                known = ", ".join((*self.names, EVERY_SCENARIO))
                raise InputError(f"scenario {name}", "is unknown", f"use some of: {known}")
        return tuple(wanted)


def insist_installer_config_is_taken(chosen: Sequence[Scenario]) -> None:
    """Do nothing if each of the scenarios boots the config given with --bootstrap-ignition.

    Raises:
        InputError: one would pass it over.
    """
    deaf = [scenario.name for scenario in chosen if not scenario.takes_installer_config]
    if deaf:
        raise InputError(
            "--bootstrap-ignition", f"is not for the scenario {', '.join(deaf)}",
            "leave the option out for it, or run ipi_bootstrap, upi or upi_https, and for a single "
            "node's config sno or sno_pxe",
        )  # fmt: skip


def row_kinds(fixture_names: Iterable[str], kinds: Iterable[str]) -> tuple[str, ...]:
    """Return the kinds of rows that are asked for by an argument such as `package_row`."""
    asked = set(fixture_names)
    return tuple(kind for kind in kinds if f"{kind}{_SUFFIX}" in asked)


def parametrise_nodes(metafunc: pytest.Metafunc, names: Sequence[str]) -> None:
    """Run the test once per scenario; first, so that the scenario leads the test's id."""
    if not _is_taken(metafunc, NODE):
        metafunc.parametrize(NODE, names, ids=names, indirect=True, scope="session")


def parametrise_rows(metafunc: pytest.Metafunc, kind: str, table: Expectations) -> None:
    """Run the test once per row of `kind`."""
    rows = [row for row in table.rows if row.test_kind == kind]
    if not _is_taken(metafunc, f"{kind}{_SUFFIX}"):
        metafunc.parametrize(f"{kind}{_SUFFIX}", rows, ids=[row.id for row in rows])


def parametrise_levels(metafunc: pytest.Metafunc, *, has_control_plane: bool) -> None:
    """Run the test once per level of readiness, the lowest first.

    Those of a cluster are left out where nothing makes a control plane.
    """
    from harness.node.cluster_readiness import CLUSTER_LEVELS
    from harness.node.readiness import LEVELS

    levels = (*LEVELS, *(CLUSTER_LEVELS if has_control_plane else ()))
    if not _is_taken(metafunc, LEVEL):
        metafunc.parametrize(LEVEL, levels, ids=[level.name for level in levels])


def is_possible(item: pytest.Item, catalogue: Catalogue) -> bool:
    """Tell whether a test's row and its level of readiness apply to its scenario."""
    name = scenario_of(item)
    if name is None or name not in catalogue.names:
        return True
    from harness.verdict.rows import applies

    scenario, given = catalogue.named(name), _parameters(item)
    rows = [value for key, value in given.items() if key.endswith(_SUFFIX)]
    levels = [value.name for key, value in given.items() if key == LEVEL]
    return set(levels) <= set(scenario.levels) and all(applies(row, scenario.way) for row in rows)


def scenario_of(item: pytest.Item) -> str | None:
    """Return the scenario whose node a collected test uses, None for any other test."""
    name = _parameters(item).get(NODE)
    return str(name) if name is not None else None


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
