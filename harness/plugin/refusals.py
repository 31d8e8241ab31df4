"""Checks at the start what the user would learn only later: options that cannot be used."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from harness.model.errors import InputError
from harness.plugin.asked import is_worker, settings_of
from harness.regular_file import is_there

_NO_RUNS = "9999-12-31"  # no run is that late: only the file itself is checked


def check_history(config: pytest.Config) -> None:
    """Check that the run can be added to the `--history` at its end.

    Raises:
        pytest.UsageError: it is not a history, or cannot be written.
    """
    path = settings_of(config).history
    if path is None or is_worker(config):
        return
    try:
        require_writable(path)
        if is_there(path):
            from harness.report.history import store

            store.read(path, _NO_RUNS)
    except InputError as exc:
        raise pytest.UsageError(str(exc)) from exc


def check_interactive(config: pytest.Config) -> None:
    """Check the options that need the user's terminal: workers of xdist do not have it.

    Raises:
        pytest.UsageError: xdist is used, or the host has no ssh for a shell.
    """
    settings = settings_of(config)
    asked = {"--until": bool(settings.until), "--debug-node": settings.debug_node}
    for option in (name for name, is_given in asked.items() if is_given):
        if config.getoption("dist", "no") != "no":
            problem, remedy = "cannot be used with workers of xdist", "Remove -n."
            raise pytest.UsageError(str(InputError(option, problem, remedy)))
    if settings.debug_node:
        from harness.node.shell import require_able

        try:
            require_able(())
        except InputError as exc:
            raise pytest.UsageError(str(exc)) from exc


def require_writable(path: Path) -> None:
    """Raise unless a history can be at `path`; SQLite writes files beside it, too.

    Raises:
        InputError: its folder is missing, or one of the two cannot be written.
    """
    subject, folder = f"history {path}", path.absolute().parent
    if not os.access(folder, os.X_OK):
        problem = f"no folder {folder}"
        remedy = "Create it, or name another file with --history."
        raise InputError(subject, problem, remedy)
    if any(not os.access(place, os.W_OK) for place in (folder, path) if is_there(place)):
        remedy = "Name a writable file with --history."
        raise InputError(subject, "cannot be written", remedy)
