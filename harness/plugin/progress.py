"""Where the progress lines of a process go: to the terminal and the log, or to the controller.

Workers prepare images while they collect, before the run has a folder. Their lines reach the
controller from the start, by a temporary file whose path xdist carries.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from harness.plugin import meeting
from harness.plugin.terminal import Terminal
from harness.recording.artifacts import Artifacts
from harness.recording.progress import ProgressLog, ProgressReporter, Relay

_RELAY = "progress"
_LOG = pytest.StashKey[ProgressLog]()


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


def follower(config: pytest.Config, folder: Path) -> Callable[[], None]:
    """Return the function that shows and logs what workers have added."""
    if not has_workers(config):
        return lambda: None
    relay, outlets = Relay(meeting.of_controller(config) / _RELAY), _outlets(config, folder)

    def follow() -> None:
        for line in relay.new_lines():
            for write in outlets:
                write(line)

    return follow


def _outlets(config: pytest.Config, folder: Path) -> tuple[Callable[[str], None], ...]:
    if (shared := meeting.of_worker(config)) is not None:
        return (Relay(shared / _RELAY).append,)
    return (Terminal(config), log_of(config, folder).append)
