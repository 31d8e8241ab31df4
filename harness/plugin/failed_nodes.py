"""The nodes of a red test, for `--debug-node`; registered only with that option."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from harness.node.dial import Endpoint
from harness.player.applied import AppliedNode, AppliedNodes, OwnNode
from harness.plugin.collection import NODE, NODES
from harness.plugin.fixtures import OWN_NODES
from harness.plugin.state import workplace_if_any


class FailedNodes:
    """The hook that is called when a test fails, before its fixtures are torn down."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config

    def pytest_exception_interact(
        self, node: pytest.Item | pytest.Collector, report: pytest.TestReport
    ) -> None:
        """Show the node of a red test to the user; the run goes on afterwards."""
        place = workplace_if_any(self._config)
        if place is not None and isinstance(node, pytest.Item) and report.failed:
            place.show_failure(_endpoints(node), f"{node.nodeid}\n{report.longreprtext}")


def _endpoints(item: pytest.Item) -> dict[str, Endpoint]:
    return {
        node.watch.record.name: node.session.endpoint
        for node in _nodes(item)
        if node.machine.why_stopped() is None
    }


def _nodes(item: pytest.Item) -> Iterator[AppliedNode | OwnNode]:
    """Yield the nodes of a test: its own ones, else those that it shares."""
    own = item.stash.get(OWN_NODES, [])
    yield from (node for node in own if node.logged_in is not None)
    if own:
        return
    for given in (getattr(item, "funcargs", {}).get(name) for name in (NODE, NODES)):
        if isinstance(given, AppliedNode):
            yield given
        elif isinstance(given, AppliedNodes):
            yield from given.values()
