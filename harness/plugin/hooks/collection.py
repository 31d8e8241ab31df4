"""Collection: parametrized tests, markers, and the check of all inputs."""

from __future__ import annotations

import pytest

from harness.model.errors import HarnessError, InputError
from harness.plugin import contract, sharding, shared_boots
from harness.plugin.asked import catalogue_of, is_worker, note_problem, problem_of, settings_of
from harness.plugin.collection import (
    LEVEL,
    NODE,
    NODES,
    forks_at,
    give_own,
    has_marker,
    has_own,
    is_possible,
    parametrise_levels,
    parametrise_nodes,
    parametrise_rows,
    row_kinds,
    scenario_of,
    spare_shared,
)
from harness.plugin.marking import MACHINE_FIXTURES, MARKER, PROBLEM_KEY, ROW_KINDS
from harness.plugin.state import check_once, workplace_if_any


@pytest.hookimpl(tryfirst=True)
def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run tests of the node for each scenario, row and level; first, so that ids start with it."""
    kinds = row_kinds(metafunc.fixturenames, ROW_KINDS)
    uses_node = not {NODE, NODES}.isdisjoint(metafunc.fixturenames)
    if problem_of(metafunc.config) or not (kinds or uses_node):
        return
    try:
        if uses_node:
            settings, catalogue = settings_of(metafunc.config), catalogue_of(metafunc.config)
            names = catalogue.chosen(settings.scenarios)
            if settings.bootstrap_ignition is not None:
                catalogue.require_installer_config_taken(names)
            if settings.live_ignition is not None:
                catalogue.require_live_config_taken(names)
            parametrise_nodes(metafunc, names, catalogue)
        for kind in kinds:
            parametrise_rows(metafunc, kind, contract.table_for(metafunc))
        if LEVEL in metafunc.fixturenames:
            settings = settings_of(metafunc.config)
            # The installer's own bootkube asks for more than a stand-in's release has.
            has_control_plane = settings.is_stand_in and settings.bootstrap_ignition is None
            parametrise_levels(metafunc, has_control_plane=has_control_plane)
    except HarnessError as exc:
        # Raised here, it would be reported once for each module; see pytest_collection_modifyitems.
        note_problem(metafunc.config, exc)


def pytest_itemcollected(item: pytest.Item) -> None:
    """Mark what needs a machine, and what needs images only, for `-m`."""
    if not MACHINE_FIXTURES.isdisjoint(getattr(item, "fixturenames", ())):
        item.add_marker(MARKER)
    if contract.is_contract(item):
        item.add_marker(contract.MARKER)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Check everything that the collected tests need, and report the first problem once."""
    if problem_of(config) is None:
        catalogue = catalogue_of(config)
        items[:] = [item for item in items if is_possible(item, catalogue)]
        _give_own(config, items)
        sharding.keep_own(config, items)
        shared_boots.note_forked(config, items)
    needed = any(has_marker(item, MARKER) for item in items)
    if needed and not config.getoption("collectonly"):
        check_once(config, forks_at(items), _used(config, items))
    if any(map(contract.is_contract, items)) and not config.getoption("collectonly"):
        contract.check(config)
    if (problem := problem_of(config)) is not None:
        items.clear()
        if not hasattr(config, "workeroutput"):
            raise pytest.UsageError(str(problem)) from problem
        config.workeroutput[PROBLEM_KEY] = str(problem)  # xdist's controller reports it


def _used(config: pytest.Config, items: list[pytest.Item]) -> frozenset[str] | None:
    """Return the scenarios of a shard; None if the run has all tests."""
    if settings_of(config).shard is None:
        return None
    return frozenset(name for item in items if (name := scenario_of(item)) is not None)


def _give_own(config: pytest.Config, items: list[pytest.Item]) -> None:
    # Such a checkpoint may be there although this process has not booted the scenario.
    has_others = settings_of(config).checkpoints.outlive_runs or is_worker(config)
    try:
        for item in items:
            give_own(item)
            if has_others:
                spare_shared(item)
    except InputError as exc:
        note_problem(config, exc)
    if settings_of(config).fresh:
        # One machine at a time: the shared one ends before those of single tests are booted.
        items.sort(key=has_own)


def pytest_report_collectionfinish(config: pytest.Config) -> list[str]:
    """Report how machines will run, and what is under test."""
    if config.get_verbosity() < 0:
        return []
    place = workplace_if_any(config)
    if place is None or not place.preparation.is_checked:
        return contract.header(config)
    from harness.workplace.subject import describe

    return describe(place.preparation)
