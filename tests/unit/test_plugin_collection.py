"""Which rows and levels of readiness a scenario's tests are made of."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest

from harness.model.errors import InputError
from harness.model.way import Way
from harness.node.cluster_readiness import CLUSTER_LEVELS
from harness.node.readiness import LEVELS, Level
from harness.player.plan import MachinePlan
from harness.player.scenario import Scenario
from harness.plugin.collection import is_possible, scenario_of
from harness.scenarios.catalogue import Catalogue
from harness.verdict.rows import Invariant, InvariantRow, Layer, PackageRow, Row

PACKAGE = PackageRow(name="runc", layer=Layer.NODE, source="s")
SAME_BOOT = InvariantRow(name=Invariant.BOOT_ID_UNCHANGED, source="s")
BOOTED = InvariantRow(name=Invariant.NODE_IMAGE_IS_BOOTED, source="s")
HEALTHZ, NODE_READY = LEVELS[1], CLUSTER_LEVELS[1]


def scenario(name: str, way: Way, *more: str) -> Scenario:
    levels = (*(level.name for level in LEVELS), *more)
    machine = MachinePlan(name="node", memory_mib=512, config=lambda _: {})
    return Scenario(
        name=name, title=name, machines=(machine,), steps=lambda _: (), way=way, levels=levels
    )


CATALOGUE = Catalogue(
    [scenario("applied", Way.LIVE_APPLY), scenario("pivoted", Way.PIVOT, NODE_READY.name)]
)


def item(name: str | None, **parameters: Row | Level) -> pytest.Item:
    """Return what `is_possible` asks of a collected test."""
    given = {**parameters, **({"applied_node": name} if name else {})}
    return cast(pytest.Item, SimpleNamespace(callspec=SimpleNamespace(params=given)))


@pytest.mark.parametrize(
    ("name", "parameters", "expected"),
    [
        ("applied", {"package_row": PACKAGE}, True),
        ("pivoted", {"package_row": PACKAGE}, True),
        ("applied", {"invariant_row": SAME_BOOT}, True),
        ("pivoted", {"invariant_row": SAME_BOOT}, False),
        ("applied", {"invariant_row": BOOTED}, False),
        ("pivoted", {"invariant_row": BOOTED}, True),
        ("applied", {"readiness_level": HEALTHZ}, True),
        ("applied", {"readiness_level": NODE_READY}, False),
        ("pivoted", {"readiness_level": NODE_READY}, True),
        ("of-a-project", {"invariant_row": SAME_BOOT}, True),
        (None, {"invariant_row": SAME_BOOT}, True),
        ("applied", {"readiness_level": replace(NODE_READY, name="of-a-project")}, True),
        ("applied", {"readiness_level": "a word"}, True),
        ("applied", {}, True),
        ("pivoted/node-1", {"invariant_row": SAME_BOOT}, False),
    ],
)
def test_what_a_scenarios_way_rules_out_is_no_test(
    name: str | None, parameters: dict[str, Any], *, expected: bool
) -> None:
    assert is_possible(item(name, **parameters), CATALOGUE) is expected


def test_installers_config_is_refused_by_name_where_it_would_be_passed_over() -> None:
    takes = replace(scenario("bootstrap", Way.LIVE_APPLY), takes_installer_config=True)
    catalogue = Catalogue([takes, CATALOGUE.named("applied")])

    catalogue.require_installer_config_taken(["bootstrap"])
    with pytest.raises(InputError, match="not supported by the scenario applied") as refused:
        catalogue.require_installer_config_taken(["bootstrap", "applied"])
    assert "run one of: bootstrap, ipi_bootstrap, sno, sno_pxe, upi" in refused.value.remedy


def test_live_config_is_refused_by_name_where_it_would_be_passed_over() -> None:
    catalogue = Catalogue()

    catalogue.require_live_config_taken(["agent", "assisted"])
    with pytest.raises(InputError, match="not supported by the scenario sno") as refused:
        catalogue.require_live_config_taken(["agent", "sno"])
    assert refused.value.subject == "--live-ignition"
    assert "run one of: agent, assisted." in refused.value.remedy


def test_level_that_a_projects_scenario_makes_up_is_reported() -> None:
    catalogue = Catalogue([scenario("odd", Way.PIVOT, "node-raedy")])

    with pytest.raises(InputError, match="unknown level of readiness node-raedy"):
        catalogue.named("odd")


APPLIED = CATALOGUE.named("applied")


@pytest.mark.parametrize(
    ("results", "problem"),
    [
        ([APPLIED], "returns Scenario instead of a list"),
        ([7], "returns int instead of a list"),
        ([[lambda: APPLIED]], "lists function instead of Scenario"),
        ([[APPLIED], [APPLIED]], "two scenarios are called 'applied'"),
        (
            [[replace(APPLIED, name="ipi_node")]],
            "the name 'ipi_node' is one of the harness's own",
        ),
        ([[replace(APPLIED, name="all")]], "the name 'all' is one of the harness's own"),
    ],
)
def test_result_of_the_hook_that_is_not_a_list_of_scenarios_is_refused(
    results: list[object], problem: str
) -> None:
    with pytest.raises(InputError) as refused:
        Catalogue.of_hooks(results)

    assert refused.value.subject == "pytest_node_image_scenarios"
    assert refused.value.problem == problem


def test_results_of_the_hook_are_added_to_the_shipped_scenarios() -> None:
    catalogue = Catalogue.of_hooks([[APPLIED], ()])

    assert catalogue.named("applied") is APPLIED
    assert "ipi_bootstrap" in catalogue.names


def test_test_without_parameters_has_no_scenario() -> None:
    assert scenario_of(cast(pytest.Item, SimpleNamespace())) is None
