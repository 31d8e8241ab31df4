"""One worker of xdist boots a scenario for its shared nodes, and for the forks of all workers.

xdist's own `loadgroup` does that too, but not under pytest 9.2 (xdist issue 1386), where it
silently boots every scenario in every worker. Only imported when xdist distributes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScheduling, LoadScopeScheduling

from harness.machine.ownership import memory
from harness.player.memory import needed_mib
from harness.plugin.collection import OF
from harness.scenarios.catalogue import Catalogue
from harness.workplace.options import Settings
from harness.workplace.shared import Share


def scenario_in(node_id: str, names: Sequence[str]) -> str | None:
    """Return the scenario that leads the parameters of a test id, None for any other test."""
    if "[" not in node_id:
        return None
    parameters = node_id.partition("::")[2].partition("[")[2].removesuffix("]")
    fitting = [n for n in names if f"{parameters}-".startswith((f"{n}-", f"{n}{OF}"))]
    return max(fitting, key=len, default=None)


class ByScenario(LoadScopeScheduling):  # type: ignore[misc] # xdist ships no types
    """Boots each scenario in one worker, which gets all tests of its shared nodes.

    Every other test is given out by itself. Tests in `forked` need forks alone: those of a scenario
    stay with the worker that boots it until `usable` has the scenario, since then all workers can
    fork its machines. No worker waits for another's boot with memory of its own.
    """

    names: Sequence[str] = ()
    forked: frozenset[str] = frozenset()
    usable: Callable[[], frozenset[str]] = frozenset

    def __init__(self, config: pytest.Config, log: Producer) -> None:
        super().__init__(config, log)
        self._scenarios: dict[str, str] = {}  # of what boots or forks, in the order of collection
        self._booting: dict[str, Any] = {}  # workers, by their scenarios
        self._have_machines: set[Any] = set()
        self._waiting: set[Any] = set()

    def schedule(self) -> None:
        """Give out tests at first, and to each worker that replaces one."""
        for test in next(iter(self.registered_collections.values())):
            if (scenario := scenario_in(test, self.names)) is not None:
                self._scenarios[self._split_scope(test)] = scenario
        super().schedule()
        self._give(self.nodes)

    def mark_test_complete(self, node: Any, item_index: int, duration: float = 0) -> None:  # noqa: ANN401 - xdist's
        """Note the end of a test, after which other workers may have something to do."""
        super().mark_test_complete(node, item_index, duration)
        waiting = tuple(self._waiting)
        self._waiting.clear()
        self._give(waiting)

    def remove_node(self, node: Any) -> str | None:  # noqa: ANN401 - xdist's
        """Forget a worker; return the test that it died of, which is not given out again.

        xdist gives it out again and again, and each time a node would be brought up for it.
        """
        units = self.assigned_work.pop(node)
        self._booting = {name: one for name, one in self._booting.items() if one is not node}
        self._waiting.discard(node)
        died = next(
            ((u, test) for u in units.values() for test, done in u.items() if not done), None
        )
        if died is None:
            return None
        unit, test = died
        unit[test] = True
        self.workqueue.update({s: unit for s, unit in units.items() if not all(unit.values())})
        self._give(self.nodes)
        return str(test)

    def _split_scope(self, nodeid: str) -> str:
        return nodeid if nodeid in self.forked else scenario_in(nodeid, self.names) or nodeid

    def _give(self, nodes: Iterable[Any]) -> None:
        """Give workers with less than two tests more: one begins when the next is known."""
        for node in nodes:
            for _ in range(2):
                if self._pending_of(self.assigned_work[node]) < 2:
                    self._reschedule(node)

    def _reschedule(self, node: Any) -> None:  # noqa: ANN401 - xdist's
        if self.workqueue and not node.shutting_down and self._choice(node) is None:
            self._let_wait(node)
        else:
            super()._reschedule(node)

    def _let_wait(self, node: Any) -> None:  # noqa: ANN401 - xdist's
        """Let a worker wait for what is kept for others, unless it would keep a machine up."""
        is_last = self._pending_of(self.assigned_work[node]) <= 1
        if is_last and node in self._have_machines:
            node.shutdown()
        else:
            self._waiting.add(node)

    def _assign_work_unit(self, node: Any) -> None:  # noqa: ANN401 - xdist's
        if (scope := self._choice(node)) is None:
            self._waiting.add(node)
            return
        if (scenario := self._scenarios.get(scope)) is not None:
            self._have_machines.add(node)
            if self._boots(scenario) is None:
                self._booting[scenario] = node
        self.workqueue.move_to_end(scope, last=False)
        super()._assign_work_unit(node)

    def _choice(self, node: Any) -> str | None:  # noqa: ANN401 - xdist's
        """Return what a worker gets next: first of scenarios that it boots, then what boots."""
        usable = self.usable()

        def order(scope: str) -> tuple[bool, bool]:
            return self._boots(self._scenarios[scope]) is not node, scope in self.forked

        waiting = (scope for scope in self._scenarios if scope in self.workqueue)
        free = (scope for scope in waiting if self._is_free(scope, node, usable))
        others = (scope for scope in self.workqueue if scope not in self._scenarios)
        return min(free, key=order, default=None) or next(others, None)

    def _is_free(self, scope: str, node: Any, usable: frozenset[str]) -> bool:  # noqa: ANN401 - xdist's
        scenario = self._scenarios[scope]
        can_fork = scope in self.forked and scenario in usable
        return can_fork or self._boots(scenario) in (None, node)

    def _boots(self, scenario: str) -> Any:  # noqa: ANN401 - xdist's
        """Return the worker that boots a scenario, None if it is free for any."""
        node = self._booting.get(scenario)
        return None if node is None or node.shutting_down else node


class WhenNeeded:
    """xdist's default scheduler, replaced by `ByScenario` if the collection has nodes to boot.

    So a project that boots nothing is distributed as if the plugin were not there.
    """

    def __init__(
        self,
        config: pytest.Config,
        log: Producer,
        names: Sequence[str],
        begin_sharing: Callable[[], Share | None],
    ) -> None:
        self._arguments = (config, log)
        self._names = names
        self._begin_sharing = begin_sharing
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
        if len(found.nodes) > 1 and (share := self._begin_sharing()) is not None:
            chosen.forked, chosen.usable = share.forked(), share.usable
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
