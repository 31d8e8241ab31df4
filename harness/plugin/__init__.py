"""The pytest plugin: its options, and the parts of it that are hooks and fixtures.

A project that uses none of the fixtures pays only for the options: every room is imported on first
use.
"""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from harness.log_records import inert_records
from harness.model.escapes import printable
from harness.plugin import command_line, contract, fixtures
from harness.plugin.asked import check_diagnosis, settings_of
from harness.plugin.collection import DESTRUCTIVE
from harness.plugin.hooks import collection, session, specs, tests, workers
from harness.plugin.marking import MARKER
from harness.plugin.refusals import check_history, check_interactive
from harness.plugin.state import artifacts_of


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the options."""
    command_line.declare(parser)


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    """Declare the hooks that projects may implement, and add the parts of the plugin."""
    pluginmanager.add_hookspecs(specs)
    for part in (fixtures, collection, tests, session, workers):
        pluginmanager.register(part, part.__name__)


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
