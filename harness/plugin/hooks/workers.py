"""The workers of xdist. Its hooks are optional, so that `-p no:xdist` works."""

from __future__ import annotations

from collections.abc import Generator
from functools import partial
from typing import Any

import pytest

from harness.model.errors import HarnessError
from harness.plugin import sharding, shared_boots
from harness.plugin.asked import catalogue_of, note_problem, settings_of
from harness.plugin.marking import PROBLEM_KEY
from harness.plugin.state import share_place


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:  # noqa: ANN401 - xdist's
    """Give every worker the same folder for the run, and a way for its progress lines."""
    share_place(node.config, node.workerinput)
    sharding.share(node.config, node.workerinput)


@pytest.hookimpl(optionalhook=True, tryfirst=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> object | None:  # noqa: ANN401 - xdist's
    """Boot each scenario in one worker, unless the user chose another distribution."""
    if config.getoption("dist") != "load":
        return None
    from harness.plugin.scheduling import WhenNeeded

    return WhenNeeded(config, log, catalogue_of(config).names, partial(shared_boots.begin, config))


@pytest.hookimpl(optionalhook=True, wrapper=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> Generator[None, int, int]:
    """Start no more workers than have memory for their machines."""
    found = yield
    if not settings_of(config).has_many_scenarios:
        return found  # one worker boots; forks of others wait for memory
    from harness.plugin.scheduling import workers_that_fit

    return workers_that_fit(found, settings_of(config), catalogue_of(config))


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:  # noqa: ANN401 - xdist's
    """Take over what a worker's check found, and what it divided among shards."""
    sharding.take_over(node.config, getattr(node, "workeroutput", {}))
    text = getattr(node, "workeroutput", {}).get(PROBLEM_KEY)
    if text is not None:
        note_problem(node.config, HarnessError(text))
