"""Checkpoints and forks on real QEMU, of boot sectors that write a letter after the other."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import pytest
from owned import Owner, Place, private_place, read_facts

from harness import process
from harness.machine.forking.store import Store

OWNER = Path(__file__).with_name("fork_owner.py")
START_S = 120.0


@pytest.fixture
def place() -> Iterator[Place]:
    with private_place() as made:
        yield made


@contextmanager
def owner(place: Place, mode: str, *store: Path) -> Iterator[Owner]:
    command: tuple[str | Path, ...] = (sys.executable, OWNER, mode, *store)
    with process.start(command, env=place.env, stdin=subprocess.PIPE) as child:
        yield Owner(child=child, facts=read_facts(child, START_S))


def follow_each_other(letters: str) -> bool:
    return all(ord(second) - ord(first) == 1 for first, second in pairwise(letters))


def test_forks_and_their_template_go_on_where_the_checkpoint_is(place: Place) -> None:
    with owner(place, "hold") as held:
        facts = held.facts
        held.child.communicate(timeout=START_S)

    before, template = str(facts["at_checkpoint"]), str(facts["template"])
    forks = facts["forks"]
    assert isinstance(forks, list)
    assert follow_each_other(template)
    assert template.startswith(before)
    assert len(forks) == 2
    assert all(follow_each_other(before + letters) for letters in forks)
    assert facts["is_unchanged"] is True
    assert isinstance(facts["disks"], list)
    assert len(facts["disks"]) == 3
    assert facts["modes"] == ["0o600"] * 3
    assert held.child.returncode == 0
    held.is_gone()


def test_a_later_run_goes_on_where_a_kept_checkpoint_is(place: Place, tmp_path: Path) -> None:
    with owner(place, "keep", tmp_path / "checkpoints") as first:
        before = str(first.facts["at_checkpoint"])
        first.child.communicate(timeout=START_S)
    first.is_gone()
    with owner(place, "again", tmp_path / "checkpoints") as later:
        facts = later.facts
        later.child.communicate(timeout=START_S)

    assert facts["is_same"] is True
    assert facts["is_taken"] is True
    assert facts["at_checkpoint"] == before
    forks = facts["forks"]
    assert isinstance(forks, list)
    assert all(follow_each_other(before + letters) for letters in forks)
    later.is_gone()
    with Store(tmp_path / "checkpoints") as store:
        assert [store.take(kept) for kept in store.entries()] == [True]


def test_a_killed_fork_leaves_the_other_one_and_no_file(place: Place) -> None:
    with owner(place, "kill") as held:
        facts = held.facts
        held.child.communicate(timeout=START_S)

    assert str(facts["reason"]).startswith("QEMU ended by itself")
    assert facts["other"] is True
    held.is_gone()


def test_forks_of_a_killed_owner_end(place: Place) -> None:
    with owner(place, "hold") as held:
        held.child.kill()
        held.child.wait(timeout=START_S)

        held.wait_until_gone()


def test_a_damaged_checkpoint_is_refused_in_one_line(place: Place) -> None:
    with owner(place, "damage") as held:
        problems = held.facts["problems"]
        held.child.communicate(timeout=START_S)

    assert isinstance(problems, list)
    other_key, truncated, not_loaded, changed = problems
    assert "has another key than the machine" in other_key
    assert "the state of its devices is damaged" in truncated
    assert "does not load" in not_loaded
    assert "the file ram has changed since it was made" in changed
    held.is_gone()


def test_a_machine_without_space_for_its_checkpoint_goes_on(place: Place) -> None:
    with owner(place, "full") as held:
        facts = held.facts
        held.child.communicate(timeout=START_S)

    assert "cannot be written: File too large. Free disk space there." in str(facts["error"])
    assert facts["left"] == []
    held.is_gone()
