"""Which rows and levels of readiness a scenario's tests are made of."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest

from harness.model.errors import InputError
from harness.node.cluster_readiness import CLUSTER_LEVELS
from harness.node.readiness import LEVELS, Level
from harness.plugin.collection import (
    Catalogue,
    insist_installer_config_is_taken,
    is_possible,
    scenario_of,
)
from harness.scenarios.scenario import AppliedNode, Inputs, Rig, Scenario, Way
from harness.verdict.rows import Invariant, InvariantRow, Layer, PackageRow, Row

PACKAGE = PackageRow(name="runc", layer=Layer.NODE, source="s")
SAME_BOOT = InvariantRow(name=Invariant.BOOT_ID_UNCHANGED, source="s")
BOOTED = InvariantRow(name=Invariant.NODE_IMAGE_IS_BOOTED, source="s")
HEALTHZ, NODE_READY = LEVELS[1], CLUSTER_LEVELS[1]


@contextmanager
def nothing(_rig: Rig, _inputs: Inputs) -> Iterator[AppliedNode]:
    raise NotImplementedError
    yield


def scenario(name: str, way: Way, *more: str) -> Scenario:
    levels = (*(level.name for level in LEVELS), *more)
    return Scenario(
        name=name, title=name, memory_mib=1, bring_up=nothing, way=way, levels=levels
    )  # fmt: skip


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
    ],
)
def test_what_a_scenarios_way_rules_out_is_no_test(
    name: str | None, parameters: dict[str, Any], *, expected: bool
) -> None:
    assert is_possible(item(name, **parameters), CATALOGUE) is expected


def test_installers_config_is_refused_by_name_where_it_would_be_passed_over() -> None:
    takes = replace(scenario("bootstrap", Way.LIVE_APPLY), takes_installer_config=True)
    catalogue = Catalogue([takes, CATALOGUE.named("applied")])

    insist_installer_config_is_taken(["bootstrap"], catalogue)
    with pytest.raises(InputError, match="not for the scenario applied") as refused:
        insist_installer_config_is_taken(["bootstrap", "applied"], catalogue)
    assert "run one of bootstrap, ipi_bootstrap, sno, sno_pxe, upi" in refused.value.remedy


def test_level_that_a_projects_scenario_makes_up_is_told() -> None:
    catalogue = Catalogue([scenario("odd", Way.PIVOT, "node-raedy")])

    with pytest.raises(InputError, match="unknown level of readiness node-raedy"):
        catalogue.named("odd")


def test_test_without_parameters_has_no_scenario() -> None:
    assert scenario_of(cast(pytest.Item, SimpleNamespace())) is None
