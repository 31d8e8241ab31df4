"""Tests of one scenario go to one xdist worker, so that each node is brought up once.

xdist's own `loadgroup` does that too, but not under pytest 9.2 (xdist issue 1386), where it
silently boots every scenario in every worker. Only imported when xdist distributes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScheduling, LoadScopeScheduling

from harness.machine.ownership import memory
from harness.player.memory import needed_mib
from harness.plugin.collection import OF
from harness.scenarios.catalogue import Catalogue
from harness.workplace.options import Settings


def scenario_in(node_id: str, names: Sequence[str]) -> str | None:
    """Return the scenario that leads the parameters of a test id, None for any other test."""
    if "[" not in node_id:
        return None
    parameters = node_id.partition("::")[2].partition("[")[2].removesuffix("]")
    fitting = [n for n in names if f"{parameters}-".startswith((f"{n}-", f"{n}{OF}"))]
    return max(fitting, key=len, default=None)


class ByScenario(LoadScopeScheduling):  # type: ignore[misc] # xdist ships no types
    """Gives out all tests of a scenario together, and every other test by itself."""

    names: Sequence[str] = ()

    def _split_scope(self, nodeid: str) -> str:
        return scenario_in(nodeid, self.names) or nodeid

    def remove_node(self, node: Any) -> str | None:  # noqa: ANN401 - xdist's
        """Forget a worker; return the test that it died of, which is not given out again.

        xdist gives it out again and again, and each time a node would be brought up for it.
        """
        units = self.assigned_work[node].values()
        died = next(((u, test) for u in units for test, is_done in u.items() if not is_done), None)
        if died is None:
            super().remove_node(node)
            return None
        unit, test = died
        unit[test] = True
        if self._pending_of(self.assigned_work[node]):
            super().remove_node(node)
        else:
            del self.assigned_work[node]
        return str(test)


class WhenNeeded:
    """xdist's default scheduler, replaced by `ByScenario` if the collection has nodes to boot.

    So a project that boots nothing is distributed as if the plugin were not there.
    """

    def __init__(self, config: pytest.Config, log: Producer, names: Sequence[str]) -> None:
        self._arguments = (config, log)
        self._names = names
        self._chosen: LoadScheduling | ByScenario = LoadScheduling(config, log)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever xdist asks of a scheduler
        return getattr(self._chosen, name)

    def schedule(self) -> None:
        """Give out tests; at the first call the collections are known."""
        if isinstance(self._chosen, LoadScheduling) and self._boots(self._chosen):
            self._chosen = self._by_scenario(self._chosen)
        self._chosen.schedule()

    def _boots(self, found: LoadScheduling) -> bool:
        # One stands for all: xdist gives out nothing if workers collect different tests.
        tests = next(iter(found.node2collection.values()), ())
        return any(scenario_in(test, self._names) for test in tests)

    def _by_scenario(self, found: LoadScheduling) -> ByScenario:
        chosen = ByScenario(*self._arguments)
        chosen.names = self._names
        for node in found.nodes:
            chosen.add_node(node)
        for node, ids in found.node2collection.items():
            chosen.add_node_collection(node, ids)
        return chosen


def workers_that_fit(found: int, settings: Settings, catalogue: Catalogue) -> int:
    """Return how many of `found` workers have memory for a scenario's machines; at least one.

    Raises:
        InputError: a scenario is unknown.
    """
    chosen = [catalogue.named(name) for name in catalogue.chosen(settings.scenarios)]
    each_mib = max(needed_mib(scenario, settings.memory_mib) for scenario in chosen)
    free_mib = memory.survey().available_bytes // memory.MIB
    return max(1, min(found, free_mib // each_mib))
