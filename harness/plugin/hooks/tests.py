"""Each test: its run folder, what is under test, and the verdict on a red one."""

from __future__ import annotations

from collections.abc import Generator

import pytest

from harness.model.errors import HarnessError
from harness.plugin import contract
from harness.plugin.asked import allow_list_of
from harness.plugin.collection import has_marker, scenario_of
from harness.plugin.marking import JUDGED_FIXTURES, MARKER, TALKING_FIXTURES
from harness.plugin.state import artifacts_of, prepare_folder, workplace_if_any
from harness.recording import notes


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> None:
    """Make the run's folder before xdist's controller sees a test, unless it may be skipped."""
    if not (has_marker(item, MARKER) or contract.is_contract(item)):
        return
    if not any(has_marker(item, name) for name in ("skip", "skipif")):
        prepare_folder(item.config)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Add what is under test to the report; raise if the test needs a machine that has died."""
    place = workplace_if_any(item.config)
    if place is None or not (contract.is_contract(item) or has_marker(item, MARKER)):
        return
    from harness.plugin.reports import set_properties
    from harness.workplace.subject import provenance

    scenario = scenario_of(item)
    named = {} if scenario is None else {"scenario": scenario}
    is_booted = has_marker(item, MARKER)
    booted = dict(provenance(place.preparation)) if is_booted else {}
    set_properties(item, {**named, **contract.facts(item), **booted})
    talks = not TALKING_FIXTURES.isdisjoint(getattr(item, "fixturenames", ()))
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
    is_ours = not JUDGED_FIXTURES.isdisjoint(getattr(item, "fixturenames", ()))
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
    if place and has_marker(item, MARKER):
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
