"""`--shard`: leaves the tests of this run's shard in the collection, and deselects the others.

Each process does that for itself, so the result must not depend on the process: the durations of
the history are read once for a run, and xdist's controller passes them to its workers.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest

from harness import regular_file
from harness.model.errors import InputError
from harness.model.record import ShardRecord
from harness.player.scenario import Scenario
from harness.plugin.asked import catalogue_of, settings_of
from harness.plugin.collection import own_step, scenario_of
from harness.plugin.partition import BOOT_WEIGHT, partition, weigh
from harness.plugin.state import note_shard, shard_of

_DURATIONS_KEY = "node_image_durations"
_DIVIDED_KEY = "node_image_shard"
_DIGEST_LENGTH = 16
_DURATIONS = pytest.StashKey[Mapping[str, float]]()
_OWN = pytest.StashKey[int]()


def keep_own(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Remove the tests of other shards from `items`, and note what was divided."""
    shard = settings_of(config).shard
    if shard is None:
        return
    units: defaultdict[str, list[pytest.Item]] = defaultdict(list)
    for item in items:
        units[unit_of(item)].append(item)
    defaults = {unit: _default_weight(config, found) for unit, found in units.items()}
    shards = partition(weigh(defaults, _durations(config)), shard.count)
    record = ShardRecord(
        number=shard.number, count=shard.count, tests=_number(items),
        selection=_digest(items, shards),
    )  # fmt: skip
    others = [item for item in items if shards[unit_of(item)] != shard.number]
    items[:] = [item for item in items if shards[unit_of(item)] == shard.number]
    _note(config, record, _number(items))
    if others:
        config.hook.pytest_deselected(items=others)


def _number(items: Iterable[pytest.Item]) -> int:
    """Return the number of tests, as records count them: --keep-duplicates collects one twice."""
    return len({item.nodeid for item in items})


def unit_of(item: pytest.Item) -> str:
    """Return what stays together in a shard: the item's scenario, or its file."""
    return unit(scenario_of(item), item.nodeid)


def unit(scenario: str | None, node_id: str) -> str:
    """Return the unit of a test by its id and its scenario, as a history knows them."""
    return f"scenario {scenario}" if scenario else f"file {node_id.partition('::')[0]}"


def has_tests_elsewhere(config: pytest.Config) -> bool:
    """Return whether a run without tests is right, since other shards have the selected ones."""
    found = shard_of(config)
    return found is not None and found.tests > 0


def line(config: pytest.Config) -> str:
    """Return one line about this run's shard for the terminal, empty if it has all tests."""
    found, own = shard_of(config), config.stash.get(_OWN, 0)
    if found is None:
        return ""
    if not own and found.tests:
        return f"shard {found}: no tests; the {found.tests} selected are in other shards"
    return f"shard {found}: {own} of {found.tests} tests"


def share(config: pytest.Config, workerinput: dict[str, object]) -> None:
    """Pass the durations to a worker."""
    if settings_of(config).shard is not None:
        workerinput[_DURATIONS_KEY] = dict(_durations(config))


def take_over(config: pytest.Config, workeroutput: Mapping[str, object]) -> None:
    """Note what a worker divided."""
    found = workeroutput.get(_DIVIDED_KEY)
    if isinstance(found, dict):
        config.stash[_OWN] = found.pop("own")
        note_shard(config, ShardRecord(**found))


def _note(config: pytest.Config, record: ShardRecord, own: int) -> None:
    note_shard(config, record)
    config.stash[_OWN] = own
    if (output := getattr(config, "workeroutput", None)) is not None:
        output[_DIVIDED_KEY] = {
            "number": record.number, "count": record.count, "tests": record.tests,
            "selection": record.selection, "own": own,
        }  # fmt: skip


def _durations(config: pytest.Config) -> Mapping[str, float]:
    """Return the usual seconds of each unit, as the history has them at the start of the run."""
    given = getattr(config, "workerinput", {}).get(_DURATIONS_KEY)
    if given is not None:
        return dict(given)
    if _DURATIONS not in config.stash:
        config.stash[_DURATIONS] = _read(settings_of(config).history)
    return config.stash[_DURATIONS]


def _read(history: Path | None) -> Mapping[str, float]:
    if history is None:
        return {}
    from harness.report.history import durations

    try:
        return durations.of_units(history, unit)
    except InputError as exc:
        raise pytest.UsageError(str(exc)) from exc


def _default_weight(config: pytest.Config, items: Iterable[pytest.Item]) -> float:
    """Return a weight for what no history knows: a boot is as heavy as a hundred tests."""
    found, catalogue = list(items), catalogue_of(config)
    name = scenario_of(found[0])
    boots = _boots(catalogue.named(name)) if name in catalogue.names else 0
    if settings_of(config).fresh:
        boots *= 1 + sum(own_step(item) is not None for item in found)
    return boots * BOOT_WEIGHT + len(found)


def _boots(scenario: Scenario) -> int:
    """Return how often the machines of a scenario boot; steps that cannot be read have none."""
    try:
        return sum(1 + scenario.reboots(plan.name) for plan in scenario.machines)
    except Exception:  # code of a project, whose problem the check before the run reports
        return len(scenario.machines)


def _digest(items: Iterable[pytest.Item], shards: Mapping[str, int]) -> str:
    """Return a digest of the tests, the files that they are in, and their shards."""
    found = list(items)
    lines = [f"test {item.nodeid}" for item in found]
    lines += [f"unit {unit} {number}" for unit, number in shards.items()]
    lines += [f"file {_sum(path)}" for path in {item.path for item in found}]
    text = "\0".join(sorted(lines))
    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()[:_DIGEST_LENGTH]


def _sum(path: Path) -> str:
    try:
        content = regular_file.read(path, regular_file.MAX_TEXT_BYTES)
    except OSError:
        return ""  # a test need not have a file
    return hashlib.sha256(content).hexdigest()
