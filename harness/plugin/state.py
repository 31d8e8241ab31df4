"""What a process of pytest has opened, kept on its config: one of each, made on first use.

The session's folder, the workplace of a process with machines, and the recorder of the one that
sees all tests. `asked` has what the user asked for.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING

import pytest

from harness.model.errors import HarnessError, InputError
from harness.model.record import ShardRecord
from harness.plugin import meeting, progress
from harness.plugin.asked import (
    allow_list_of,
    catalogue_of,
    is_worker,
    note_problem,
    problem_of,
    rulebook_of,
    settings_of,
)
from harness.plugin.terminal import Terminal
from harness.recording.artifacts import Artifacts, Place, Tested, choose
from harness.recording.recorder import Recorder, Ways

if TYPE_CHECKING:
    from harness.node.login import Login
    from harness.workplace.contract import ContractImages
    from harness.workplace.shared import Share
    from harness.workplace.workplace import Workplace

LOG = logging.getLogger(__name__)
_PLACE_KEY = "node_image_place"
_ARTIFACTS = pytest.StashKey[Artifacts]()
_RECORDER = pytest.StashKey[Recorder]()
_WORKPLACE = pytest.StashKey["Workplace"]()
_CONTRACT = pytest.StashKey["ContractImages"]()
_ERROR = pytest.StashKey[HarnessError]()
_SHARD = pytest.StashKey[ShardRecord]()


def share_place(config: pytest.Config, workerinput: dict[str, object]) -> None:
    """Pass the session's folder to a worker, and the one where it meets the others."""
    workerinput[_PLACE_KEY] = artifacts_of(config).place.to_worker()
    meeting.share(config, workerinput)


def artifacts_of(config: pytest.Config) -> Artifacts:
    """Return the session's folder, which need not exist yet.

    Raises:
        pytest.UsageError: none was given, and the cache folder is not usable.
    """
    if _ARTIFACTS not in config.stash:
        settings = settings_of(config)
        given = getattr(config, "workerinput", {}).get(_PLACE_KEY)
        try:
            place = Place.from_controller(given) if given else choose(settings.artifacts_dir)
        except InputError as exc:
            raise pytest.UsageError(str(exc)) from exc
        found = Artifacts(place, settings.authfile, lambda: _begin_run(config))
        config.stash[_ARTIFACTS] = found
        config.add_cleanup(found.close)
    return config.stash[_ARTIFACTS]


def prepare_folder(config: pytest.Config) -> None:
    """Make the session's folder before a machine's test; a problem is an error of the test."""
    try:
        _ = artifacts_of(config).folder
    except HarnessError as exc:
        config.stash.setdefault(_ERROR, exc)


def recorder_of(config: pytest.Config) -> Recorder | None:
    """Return the recorder, None in a process that does not see all tests."""
    if is_worker(config):
        return None
    if _RECORDER not in config.stash:
        artifacts = artifacts_of(config)
        found = Recorder(artifacts, _ways(config, artifacts))
        config.stash[_RECORDER] = found
        config.add_cleanup(found.close)
    return config.stash[_RECORDER]


def start_recorder(config: pytest.Config) -> Recorder | None:
    """Return the recorder, which shows what workers report from now on; None in a worker."""
    recorder = recorder_of(config)
    if recorder is not None and progress.has_workers(config):
        recorder.start()
    return recorder


def workplace_of(config: pytest.Config) -> Workplace:
    """Return the workplace of this process, made on first use; nothing in it is open yet.

    Raises:
        HarnessError: the check failed; a build or download that failed is not repeated.
    """
    if (error := config.stash.get(_ERROR, None)) is not None:
        raise error.with_traceback(None)
    return unchecked_workplace(config)


def unchecked_workplace(config: pytest.Config) -> Workplace:
    """Return the workplace, whatever the check found."""
    if _WORKPLACE not in config.stash:
        from harness.workplace.workplace import Workplace

        artifacts = artifacts_of(config)
        config.stash[_WORKPLACE] = Workplace(
            settings_of(config), progress.reporter(config, artifacts), artifacts,
            allow_list_of(config), rulebook_of(config), _failure_shells(config), _share(config),
        )  # fmt: skip
    return config.stash[_WORKPLACE]


def _failure_shells(config: pytest.Config) -> Callable[[Mapping[str, Login], str], None] | None:
    if not settings_of(config).debug_node:
        return None
    from harness.plugin.debugging import open_shell

    return partial(open_shell, config)


def _share(config: pytest.Config) -> Share | None:
    from harness.workplace.shared import Share

    folder = meeting.of_worker(config)
    return None if folder is None else Share(folder)


def workplace_if_any(config: pytest.Config) -> Workplace | None:
    """Return the workplace if a test of this process has used it."""
    return config.stash.get(_WORKPLACE, None)


def keep_contract(config: pytest.Config, found: ContractImages) -> ContractImages:
    """Keep the images of contract tests, and close them with the session."""
    config.stash[_CONTRACT] = found
    config.add_cleanup(found.close)
    return found


def contract_if_any(config: pytest.Config) -> ContractImages | None:
    """Return the images of contract tests if a test of this process has used them."""
    return config.stash.get(_CONTRACT, None)


def close_workplace(config: pytest.Config) -> str:
    """Close what this process opened; return the problem, or an empty text."""
    try:
        if (place := workplace_if_any(config)) is not None:
            place.close()
    except HarnessError as exc:
        return str(exc)
    return ""


def note_shard(config: pytest.Config, shard: ShardRecord) -> None:
    """Keep what was divided among shards."""
    config.stash[_SHARD] = shard


def shard_of(config: pytest.Config) -> ShardRecord | None:
    """Return which shard this run is, None if it has all tests."""
    asked = settings_of(config).shard
    if asked is None:
        return None
    return config.stash.get(_SHARD, ShardRecord(number=asked.number, count=asked.count))


def check_once(
    config: pytest.Config, forks_at: frozenset[str], used: frozenset[str] | None = None
) -> None:
    """Check all inputs, and note a problem of what the user gave.

    `forks_at` are the steps at which tests want nodes of their own, `used` the scenarios that this
    run needs; None if it needs all that were chosen.

    Any other error is kept for `workplace_of`: every test that needs the workplace ends with it.
    """
    if problem_of(config) is not None:
        return
    try:
        catalogue = catalogue_of(config)
        chosen = catalogue.chosen(settings_of(config).scenarios)
        needed = (name for name in chosen if used is None or name in used)
        workplace_of(config).check(map(catalogue.named, needed), forks_at)
    except InputError as exc:
        note_problem(config, exc)
    except HarnessError as exc:
        LOG.info("the check before the first test failed", exc_info=True)
        config.stash[_ERROR] = exc


def _begin_run(config: pytest.Config) -> None:
    """Keep what is under test, and record from now on."""
    artifacts = artifacts_of(config)
    artifacts.keep_tested(_tested(config))
    progress.log_of(config, artifacts.path).flush()
    if (recorder := recorder_of(config)) is not None:
        recorder.begin()


def _tested(config: pytest.Config) -> Tested:
    contract, place = contract_if_any(config), workplace_if_any(config)
    of_images = contract.provenance() if contract else {}
    if place is None or not place.preparation.is_checked:
        return Tested(subject=of_images)
    from harness.workplace.subject import host, provenance

    ready = place.preparation
    return Tested(subject=of_images | dict(provenance(ready)), host=host(ready))


def _ways(config: pytest.Config, artifacts: Artifacts) -> Ways:
    def notes() -> tuple[str, ...]:
        expired = allow_list_of(config).expired(artifacts.today)
        return tuple(f"an entry of the allow-list has expired: {entry}" for entry in expired)

    settings = settings_of(config)
    return Ways(
        # A shard that changed the file would divide the tests anew for those that start later.
        history=None if settings.shard else settings.history,
        notes=notes,
        shard=lambda: shard_of(config),
        follow=progress.follower(config, artifacts.path),
        warn=Terminal(config).warn,
    )
