"""What each worker of xdist gets: one of them boots a scenario, and all fork its machines."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from xdist.remote import Producer

from harness.plugin.scheduling import ByScenario, scenario_in

NAMES = ("one", "two", "three")


@dataclass(eq=False)
class Worker:
    """A worker of xdist: it runs a test when it knows the next one, or that none follows."""

    gateway: SimpleNamespace = field(default_factory=lambda: SimpleNamespace(id="gw"))
    shutting_down: bool = False
    queue: deque[int] = field(default_factory=deque)
    up: str = ""
    booted: list[str] = field(default_factory=list)

    def send_runtest_some(self, indices: Iterable[int]) -> None:
        assert not self.shutting_down
        self.queue.extend(indices)

    def shutdown(self) -> None:
        self.shutting_down = True

    @property
    def can_run(self) -> bool:
        return len(self.queue) > 1 or (self.shutting_down and bool(self.queue))


class Distributed:
    """A run: `forked` of its tests need forks alone, and those of `kept_in` boot in one worker."""

    def __init__(
        self, tests: list[str], forked: Iterable[str], workers: int, kept_in: Iterable[str] = ()
    ) -> None:
        self.tests = tests
        self.usable: set[str] = set()
        self.ran: Counter[str] = Counter()
        self.ran_in: dict[str, set[Worker]] = {name: set() for name in NAMES}
        self.workers = [Worker() for _ in range(workers)]
        self._kept_in = frozenset(kept_in)
        options = SimpleNamespace(loadscopereorder=True)
        config = SimpleNamespace(option=options, getvalue=lambda _: ["popen"] * workers)
        self.scheduler = ByScenario(cast("pytest.Config", config), Producer("", enabled=False))
        self.scheduler.names = NAMES
        self.scheduler.forked = frozenset(forked)
        self.scheduler.usable = lambda: frozenset(self.usable)
        for worker in self.workers:
            self.scheduler.add_node(worker)
        for worker in self.workers:
            self.scheduler.add_node_collection(worker, tests)
        self.scheduler.schedule()

    @property
    def boots(self) -> Counter[str]:
        return Counter(name for worker in self.workers for name in worker.booted)

    def begin(self, worker: Worker) -> str:
        """Bring up what the next test of a worker needs, and return the test."""
        test = self.tests[worker.queue[0]]
        scenario = scenario_in(test, NAMES)
        if scenario is not None:
            self.ran_in[scenario].add(worker)
            is_served = test in self.scheduler.forked and scenario in self.usable
            if worker.up != scenario and not is_served:
                worker.booted.append(scenario)
                worker.up = scenario
        return test

    def step(self, worker: Worker) -> None:
        """Run the next test of a worker."""
        test = self.begin(worker)
        scenario = scenario_in(test, NAMES)
        if scenario is not None and scenario not in self._kept_in:
            self.usable.add(scenario)
        self.ran[test] += 1
        self.scheduler.mark_test_complete(worker, worker.queue.popleft())

    def die(self, worker: Worker) -> str | None:
        """Kill a worker in its next test; another one replaces it, as in xdist."""
        self.begin(worker)
        worker.booted.clear()
        self.workers.remove(worker)
        died: str | None = self.scheduler.remove_node(worker)
        fresh = Worker()
        self.workers.append(fresh)
        self.scheduler.add_node(fresh)
        self.scheduler.add_node_collection(fresh, self.tests)
        self.scheduler.schedule()
        return died

    def finish(self, choose: Callable[[list[int]], int] = min) -> None:
        """Run all tests; `choose` says which worker is next."""
        while able := [n for n, worker in enumerate(self.workers) if worker.can_run]:
            self.step(self.workers[choose(able)])
            self.require_no_machine_waits()
            if self.scheduler.tests_finished:
                for worker in self.workers:
                    worker.shutdown()

    def require_no_machine_waits(self) -> None:
        """A worker that waits for another one has no memory that this one may need."""
        for worker in self.workers:
            is_idle = not worker.can_run and not worker.shutting_down
            assert not (is_idle and worker.up and self.scheduler.workqueue)


def shared(scenario: str, number: int = 1) -> list[str]:
    return [f"t.py::test_{n}[{scenario}]" for n in range(number)]


def own(scenario: str, number: int) -> list[str]:
    return [f"t.py::test_own[{scenario}-{n}]" for n in range(number)]


def plain(number: int) -> list[str]:
    return [f"t.py::test_plain_{n}" for n in range(number)]


def test_one_worker_boots_and_then_all_fork() -> None:
    tests = own("one", 6)
    run = Distributed(tests, tests, workers=2)
    first, other = run.workers
    assert (len(first.queue), len(other.queue)) == (2, 0)

    run.step(first)

    assert other.can_run
    run.finish(max)
    assert run.boots == {"one": 1}
    assert run.ran_in["one"] == {first, other}
    assert run.ran == dict.fromkeys(tests, 1)


def test_the_worker_with_the_shared_node_boots() -> None:
    forked = own("one", 4)
    run = Distributed([*forked, *shared("one", 3)], forked, workers=2)
    first, other = run.workers

    assert [run.tests[index] for index in first.queue][:3] == shared("one", 3)
    assert not other.queue
    run.finish(max)
    assert run.boots == {"one": 1}
    assert run.ran_in["one"] == {first, other}


def test_what_cannot_be_shared_stays_in_one_worker_and_all_else_is_spread() -> None:
    forked = own("one", 4)
    tests = [*forked, *shared("one"), *plain(6)]
    run = Distributed(tests, forked, workers=2, kept_in={"one"})

    run.finish(max)

    assert run.boots == {"one": 1}
    assert len(run.ran_in["one"]) == 1
    assert run.ran == dict.fromkeys(tests, 1)


def test_another_worker_boots_if_one_dies_in_its_boot() -> None:
    tests = own("one", 5)
    run = Distributed(tests, tests, workers=2)
    first, other = run.workers

    died = run.die(first)
    assert died == tests[0]
    assert other.can_run

    run.finish(max)
    assert run.boots == {"one": 1}
    assert run.ran == dict.fromkeys(tests[1:], 1)


def test_a_worker_with_a_machine_ends_rather_than_waits_for_another_boot() -> None:
    forked = own("two", 3)
    run = Distributed([*shared("one", 2), *shared("two", 2), *forked], forked, workers=2)
    one = next(worker for worker in run.workers if "one]" in run.tests[worker.queue[0]])

    run.step(one)

    assert one.shutting_down
    assert one.can_run


def test_a_worker_without_one_waits() -> None:
    forked = own("one", 3)
    run = Distributed([*forked, *plain(1)], forked, workers=2)
    other = run.workers[1]
    assert [run.tests[index] for index in other.queue] == plain(1)
    assert not other.can_run
    assert not other.shutting_down

    run.step(run.workers[0])

    assert other.can_run


COUNTS = st.fixed_dictionaries(
    dict.fromkeys(NAMES, st.tuples(st.integers(0, 3), st.integers(0, 4)))
)  # fmt: skip


@settings(max_examples=40)
@given(
    counts=COUNTS, plains=st.integers(0, 5), workers=st.integers(2, 4),
    kept_in=st.sets(st.sampled_from(NAMES)), deaths=st.integers(0, 2), data=st.data(),
)  # fmt: skip
def test_each_test_runs_once_and_each_scenario_boots_once(
    counts: dict[str, tuple[int, int]],
    plains: int,
    workers: int,
    kept_in: set[str],
    deaths: int,
    data: st.DataObject,
) -> None:
    forked = [test for name in NAMES for test in own(name, counts[name][1])]
    tests = [*forked, *(t for name in NAMES for t in shared(name, counts[name][0])), *plain(plains)]
    if not tests:
        return
    run = Distributed(data.draw(st.permutations(tests)), forked, workers, kept_in)

    def choose(able: list[int]) -> int:
        return data.draw(st.sampled_from(able))

    died = []
    for _ in range(deaths):
        able = [worker for worker in run.workers if worker.can_run and not worker.shutting_down]
        if able:
            died.append(run.die(data.draw(st.sampled_from(able))))
    run.finish(choose)

    assert run.ran == dict.fromkeys(set(tests) - set(died), 1)
    if not died:
        used = {name for name in NAMES if any(counts[name])}
        assert run.boots == dict.fromkeys(used, 1)
        assert all(len(run.ran_in[name]) == 1 for name in used & kept_in)
