"""`--debug-node`: a shell on the user's terminal, in the middle of a run."""

from __future__ import annotations

import os
from collections.abc import Mapping

import pytest

from harness.node import shell
from harness.node.login import Login
from harness.plugin.terminal import Terminal

_OPTION = "--debug-node"
_STDIN = 0
_HAS_SAID_SO = pytest.StashKey[bool]()


def open_shell(config: pytest.Config, logins: Mapping[str, Login], text: str) -> None:
    """Print what failed and how to log in, and open a shell in the first of the machines.

    Without a terminal, only that is said, once.
    """
    terminal = Terminal(config)
    _free_streams(config)
    if not os.isatty(_STDIN):
        if not config.stash.get(_HAS_SAID_SO, False):
            terminal.warn(f"{_OPTION}: standard input is not a terminal: the run goes on")
        config.stash[_HAS_SAID_SO] = True
        return
    terminal.warn(f"{_OPTION}: {text}")
    for name, login in logins.items():
        terminal.warn(f"{name}: log in with  {login.command}")
    terminal.warn(f"{next(iter(logins))}: the run goes on when this shell ends")
    shell.run(next(iter(logins.values())))


def _free_streams(config: pytest.Config) -> None:
    """Stop capturing; pytest starts again with the next phase of a test."""
    capture = config.pluginmanager.getplugin("capturemanager")
    if capture is not None:
        capture.suspend(in_=True)
