"""One boot per scenario for all workers of xdist: the services of a run, and who can use them."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from harness.model.errors import HarnessError
from harness.plugin import meeting, progress
from harness.plugin.asked import settings_of
from harness.plugin.collection import needs_forks_alone
from harness.plugin.state import artifacts_of

if TYPE_CHECKING:
    from harness.workplace.shared import Share

_OPENED = pytest.StashKey[ExitStack]()


def note_forked(config: pytest.Config, items: Iterable[pytest.Item]) -> None:
    """Report the tests that any worker can run once another one has booted their scenario."""
    folder = meeting.of_worker(config)
    tests = [item.nodeid for item in items if needs_forks_alone(item)]
    if folder is None or not tests or settings_of(config).fresh:
        return
    from harness.workplace.shared import Share

    Share(folder).note_forked(tests)


def begin(config: pytest.Config) -> Share | None:
    """Run what workers share, in their controller, if that helps a test; else return None.

    A problem is reported: each worker then has a registry of its own, and boots for its tests.
    """
    from harness.workplace.shared import Share

    share = Share(meeting.of_controller(config))
    if not share.forked():
        return None
    report = progress.reporter(config, artifacts_of(config))
    opened = config.stash.setdefault(_OPENED, ExitStack())
    try:
        opened.enter_context(share.serving(settings_of(config), report))
    except HarnessError as exc:
        report(f"workers cannot fork from each other's boots: {exc.subject}: {exc.problem}")
        return None
    return share


def end(config: pytest.Config) -> str:
    """End what workers shared; return the problem, or an empty text."""
    try:
        config.stash.get(_OPENED, ExitStack()).close()
    except HarnessError as exc:
        return str(exc)
    return ""
