"""The pytest plugin: hooks and fixtures, each a few lines over the rooms below.

A project that uses none of the fixtures pays only for the options: every room is imported on first
use. The hooks of xdist are optional, so that `-p no:xdist` works.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import ExitStack
from typing import Any

import pytest

from harness.log_records import inert_records
from harness.model.errors import HarnessError, InputError
from harness.model.escapes import printable
from harness.plugin import command_line, contract, fixtures, hooks, sharding
from harness.plugin.collection import (
    DESTRUCTIVE,
    LEVEL,
    NODE,
    NODES,
    forks_at,
    give_own,
    has_own,
    is_possible,
    parametrise_levels,
    parametrise_nodes,
    parametrise_rows,
    row_kinds,
    scenario_of,
    spare_shared,
)
from harness.plugin.refusals import check_history, check_interactive
from harness.plugin.state import (
    allow_list_of,
    artifacts_of,
    catalogue_of,
    check_diagnosis,
    check_once,
    close_workplace,
    is_worker,
    note_problem,
    prepare_folder,
    problem_of,
    recorder_of,
    settings_of,
    share_place,
    start_recorder,
    workplace_if_any,
)
from harness.recording import notes

MARKER = "node_image"
ROW_KINDS = ("package", "os_release", "unit", "file", "invariant", "contract")
_TALKING_FIXTURES = frozenset({"node_session", "reach"})
_MACHINE_FIXTURES = frozenset({NODE, NODES, "node_image_rig", "node_image_inputs", "end_state"})
_JUDGED_FIXTURES = _MACHINE_FIXTURES | contract.FIXTURES | {"bootimage", "node_image"}
_PROBLEM_KEY = "node_image_problem"
_HAVE_RUN = (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the options."""
    command_line.declare(parser)


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    """Declare the hooks that projects may implement, and the fixtures."""
    pluginmanager.add_hookspecs(hooks)
    pluginmanager.register(fixtures, fixtures.__name__)


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker and read the options."""
    text = "needs a machine; tests that use the fixtures of the node get it by themselves"
    config.addinivalue_line("markers", f"{MARKER}: {text}")
    text = "judges images without a machine; tests that use their fixtures get it by themselves"
    config.addinivalue_line("markers", f"{contract.MARKER}: {text}")
    text = "changes its node, and gets one of its own: a fork, or a machine that was booted for it"
    config.addinivalue_line("markers", f"{DESTRUCTIVE}(at=STEP): {text}")
    records = ExitStack()
    records.enter_context(inert_records())
    config.add_cleanup(records.close)
    check_diagnosis(config)
    check_history(config)
    check_interactive(config)
    if settings_of(config).debug_node:
        from harness.plugin.failed_nodes import FailedNodes

        config.pluginmanager.register(FailedNodes(config))


def pytest_report_header(config: pytest.Config) -> list[str]:
    """Report what is under test, if the user named it."""
    settings = settings_of(config)
    if settings.is_stand_in:
        return []
    from harness.images.acquire.url import shown_image

    disk = shown_image(settings.bootimage or "")
    node = settings.node_image or settings.release_image
    where = f" on {disk}, {', '.join(settings.scenarios)}" if disk else ", not booted"
    line = f"node image: {node}{where}"
    return [printable(artifacts_of(config).redactor(line))]


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
    if not _MACHINE_FIXTURES.isdisjoint(getattr(item, "fixturenames", ())):
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
    needed = any(item.get_closest_marker(MARKER) for item in items)
    if needed and not config.getoption("collectonly"):
        check_once(config, forks_at(items), _used(config, items))
    if any(map(contract.is_contract, items)) and not config.getoption("collectonly"):
        contract.check(config)
    if (problem := problem_of(config)) is not None:
        items.clear()
        if not hasattr(config, "workeroutput"):
            raise pytest.UsageError(str(problem)) from problem
        config.workeroutput[_PROBLEM_KEY] = str(problem)  # xdist's controller reports it


def _used(config: pytest.Config, items: list[pytest.Item]) -> frozenset[str] | None:
    """Return the scenarios of a shard; None if the run has all tests."""
    if settings_of(config).shard is None:
        return None
    return frozenset(name for item in items if (name := scenario_of(item)) is not None)


def _give_own(config: pytest.Config, items: list[pytest.Item]) -> None:
    keeps = settings_of(config).checkpoints.outlive_runs
    try:
        for item in items:
            give_own(item)
            if keeps:
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


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> None:
    """Make the run's folder before xdist's controller sees a test, unless it may be skipped."""
    may_be_skipped = any(item.get_closest_marker(name) for name in ("skip", "skipif"))
    if (item.get_closest_marker(MARKER) or contract.is_contract(item)) and not may_be_skipped:
        prepare_folder(item.config)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Add what is under test to the report; raise if the test needs a machine that has died."""
    place = workplace_if_any(item.config)
    if place is None or not (contract.is_contract(item) or item.get_closest_marker(MARKER)):
        return
    from harness.plugin.reports import set_properties
    from harness.workplace.subject import provenance

    scenario = scenario_of(item)
    named = {} if scenario is None else {"scenario": scenario}
    is_booted = bool(item.get_closest_marker(MARKER))
    booted = dict(provenance(place.preparation)) if is_booted else {}
    set_properties(item, {**named, **contract.facts(item), **booted})
    talks = not _TALKING_FIXTURES.isdisjoint(getattr(item, "fixturenames", ()))
    if scenario and talks and (error := place.why_dead(scenario)) is not None:
        raise error


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_runtest_makereport(
    item: pytest.Item,
    call: pytest.CallInfo[None],
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Attribute a red test to the product, the rig or the test, and remove secrets.

    Innermost, so that other plugins, the terminal and pytest's JUnit file see the result.
    """
    report = yield
    raised = call.excinfo
    if (place := workplace_if_any(item.config)) is not None and scenario_of(item) is not None:
        from harness.plugin.reports import set_node

        set_node(item, report, place.node_of(item.nodeid))
    is_ours = not _JUDGED_FIXTURES.isdisjoint(getattr(item, "fixturenames", ()))
    if is_ours:
        from harness.plugin.reports import take_secrets_out

        take_secrets_out(report, artifacts_of(item.config).redactor)
    if report.failed and raised and (is_ours or isinstance(raised.value, HarnessError)):
        from harness.plugin.reports import Judge, add_properties

        judge = Judge(
            artifacts=artifacts_of(item.config), allowed=allow_list_of(item.config),
            facts=_facts(item),
        )  # fmt: skip
        blame = judge.sort(report, raised)
        if is_ours:
            add_properties(item, report, blame, raised.value)
    return report


def _facts(item: pytest.Item) -> tuple[tuple[str, str], ...]:
    """Return what a failed test of a machine or of images was about."""
    place = workplace_if_any(item.config)
    if place and item.get_closest_marker(MARKER):
        return place.facts()
    return tuple(contract.facts(item).items())


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Show a fault of the product as a failure, a problem of the rig as an error."""
    notes.set_kind(report)


@pytest.hookimpl(tryfirst=True)
def pytest_report_teststatus(
    report: pytest.CollectReport | pytest.TestReport,
) -> notes.Status | None:
    """Show what is allowed or flaky as such."""
    return notes.status(report, MARKER) if isinstance(report, pytest.TestReport) else None


def pytest_sessionstart(session: pytest.Session) -> None:
    """Record the tests, in the process that sees all of them."""
    if (recorder := start_recorder(session.config)) is not None:
        from harness.plugin.recording import Recording

        session.config.pluginmanager.register(Recording(recorder))


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Close what this process opened, after the fixtures; report what a worker's check found."""
    problem_at_end = close_workplace(session.config)
    _finish_shard(session)
    if (recorder := recorder_of(session.config)) is not None:
        found = pytest.ExitCode.INTERNAL_ERROR if problem_at_end else session.exitstatus
        session.exitstatus = recorder.status(found)
        recorder.finish(session.exitstatus)
    if problem_at_end:
        pytest.exit(problem_at_end, returncode=pytest.ExitCode.INTERNAL_ERROR)
    problem = problem_of(session.config)
    if problem is not None and session.config.pluginmanager.hasplugin("dsession"):
        raise pytest.UsageError(str(problem))


def _finish_shard(session: pytest.Session) -> None:
    """Leave a report of a shard without machines too: a merge has to find every shard."""
    config = session.config
    if settings_of(config).shard is None or is_worker(config):
        return
    if session.exitstatus == pytest.ExitCode.NO_TESTS_COLLECTED:
        if not sharding.has_tests_elsewhere(config):
            return
        session.exitstatus = pytest.ExitCode.OK
    if session.exitstatus in _HAVE_RUN and not config.getoption("collectonly"):
        prepare_folder(config)


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Print the findings of the run, its shard, and where its report is."""
    recorder = recorder_of(config)
    if recorder is not None and (line := sharding.line(config)):
        terminalreporter.write_line(line)
    if recorder is not None and recorder.has_begun:
        from harness.plugin.summary import write

        write(terminalreporter, recorder.record(), artifacts_of(config).path)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:  # noqa: ANN401 - xdist's
    """Give every worker the same folder for the run, and a way for its progress lines."""
    share_place(node.config, node.workerinput)
    sharding.share(node.config, node.workerinput)


@pytest.hookimpl(optionalhook=True, tryfirst=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> object | None:  # noqa: ANN401 - xdist's
    """Keep the tests of a scenario together, unless the user chose another distribution."""
    if config.getoption("dist") != "load":
        return None
    from harness.plugin.scheduling import WhenNeeded

    return WhenNeeded(config, log, catalogue_of(config).names)


@pytest.hookimpl(optionalhook=True, wrapper=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> Generator[None, int, int]:
    """Start no more workers than have memory for their machines."""
    found = yield
    if not settings_of(config).has_many_scenarios:
        return found  # one worker has the scenario's tests
    from harness.plugin.scheduling import workers_that_fit

    return workers_that_fit(found, settings_of(config), catalogue_of(config))


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:  # noqa: ANN401 - xdist's
    """Take over what a worker's check found, and what it divided among shards."""
    sharding.take_over(node.config, getattr(node, "workeroutput", {}))
    text = getattr(node, "workeroutput", {}).get(_PROBLEM_KEY)
    if text is not None:
        note_problem(node.config, HarnessError(text))
