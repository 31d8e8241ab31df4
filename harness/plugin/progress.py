"""Where the progress lines of a process go: to the terminal and the log, or to the controller.

Workers prepare images while they collect, before the run has a folder. Their lines reach the
controller from the start, by a temporary file whose path xdist carries.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from harness import temporary
from harness.plugin.terminal import Terminal
from harness.recording.artifacts import Artifacts
from harness.recording.progress import ProgressLog, ProgressReporter, Relay

_RELAY_KEY = "node_image_relay"
_LOG = pytest.StashKey[ProgressLog]()
_RELAY = pytest.StashKey[Path]()


def has_workers(config: pytest.Config) -> bool:
    """Return whether this process is a controller of xdist."""
    return bool(config.pluginmanager.hasplugin("dsession"))


def reporter(config: pytest.Config, artifacts: Artifacts) -> ProgressReporter:
    """Return the reporter of a process with machines."""
    return ProgressReporter(
        _outlets(config, artifacts.path), artifacts.place.begun_s,
        lambda line: artifacts.redactor(line),
    )  # fmt: skip


def log_of(config: pytest.Config, folder: Path) -> ProgressLog:
    """Return the log in the run's folder, which the process that sees all tests writes."""
    return config.stash.setdefault(_LOG, ProgressLog(folder))


def share_relay(config: pytest.Config, workerinput: dict[str, object]) -> None:
    """Pass a worker the path for its lines."""
    workerinput[_RELAY_KEY] = str(_relay_path(config))


def follower(config: pytest.Config, folder: Path) -> Callable[[], None]:
    """Return the function that shows and logs what workers have added."""
    if not has_workers(config):
        return lambda: None
    relay, outlets = Relay(_relay_path(config)), _outlets(config, folder)

    def follow() -> None:
        for line in relay.new_lines():
            for write in outlets:
                write(line)

    return follow


def _outlets(config: pytest.Config, folder: Path) -> tuple[Callable[[str], None], ...]:
    path = getattr(config, "workerinput", {}).get(_RELAY_KEY)
    if path is not None:
        return (Relay(Path(path)).append,)
    return (Terminal(config), log_of(config, folder).append)


def _relay_path(config: pytest.Config) -> Path:
    if _RELAY not in config.stash:
        made = ExitStack()
        config.add_cleanup(made.close)
        config.stash[_RELAY] = made.enter_context(temporary.folder()) / "progress"
    return config.stash[_RELAY]
