"""The registry of kept checkpoints, served again by later runs and by runs at the same time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import pytest

from harness.images.container.registry import Registry
from harness.machine.forking.kept import Kept
from harness.machine.forking.store import Store
from harness.machine.ownership.run import Run
from harness.model.clock import Deadline
from harness.model.drawn import Drawing
from harness.player.keeping import Keeping
from harness.workplace.registry import served_again


@dataclass
class Entries:
    """A store with nothing but what its checkpoints drew."""

    found: list[Kept] = field(default_factory=list)

    def entries(self) -> tuple[Kept, ...]:
        return tuple(self.found)

    def add(self, scenario: str, registry: tuple[Drawing, ...]) -> None:
        drawn = Keeping(store=cast("Store", self), registry=registry).drawn(())
        kept = Kept(
            folder=Path(), scenario=scenario, step="s", made="", machines={}, drawn=drawn
        )  # fmt: skip
        self.found.insert(0, kept)


class Runs:
    """Runs on one host, with the lines that they report."""

    def __init__(self, folder: Path) -> None:
        self.store = Entries()
        self.lines: list[str] = []
        self._folder = folder
        self._count = 0

    @contextmanager
    def served(self, *scenarios: str) -> Iterator[tuple[Registry, tuple[Drawing, ...]]]:
        self._count += 1
        folder = self._folder / f"run-{self._count}"
        folder.mkdir()
        run = Run(folder=folder, scratch=folder)
        with served_again(
            run, cast("Store", self.store), scenarios, Deadline.after(60), self.lines.append
        ) as found:
            yield found


@pytest.fixture
def runs(tmp_path: Path) -> Runs:
    return Runs(tmp_path)


def test_a_later_run_serves_the_same_registry(runs: Runs) -> None:
    with runs.served() as (first, drawn):
        pass
    runs.store.add("a", drawn)

    with runs.served() as (again, same):
        assert (again.port, again.ca_pem) == (first.port, first.ca_pem)
        assert same == drawn
    assert runs.lines == []


def test_without_checkpoints_it_is_a_new_one_without_a_word(runs: Runs) -> None:
    with runs.served() as (one, _), runs.served() as (other, _):
        assert one.ca_pem != other.ca_pem
    assert runs.lines == []


def test_runs_at_the_same_time_have_the_checkpoints_of_one_each(runs: Runs) -> None:
    with ExitStack() as stack:
        drawn = [stack.enter_context(runs.served())[1] for _ in range(2)]
    for each in drawn:
        runs.store.add("a", each)

    with runs.served() as (_, one), runs.served() as (_, other), runs.served() as (_, third):
        assert [one, other] == drawn[::-1]
        assert third not in drawn
    assert runs.lines == [
        "no kept checkpoint is used: other programs have the ports of their registries"
    ]


def test_a_checkpoint_of_the_chosen_scenarios_is_preferred(runs: Runs) -> None:
    with ExitStack() as stack:
        wanted, newer = (stack.enter_context(runs.served())[1] for _ in range(2))
    runs.store.add("wanted", wanted)
    runs.store.add("other", newer)

    with runs.served("wanted") as (_, drawn):
        assert drawn == wanted
    with runs.served("unknown") as (_, drawn):
        assert drawn == newer
