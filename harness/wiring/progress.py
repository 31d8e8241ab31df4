"""Progress lines: on pytest's terminal with the seconds since the start, and always in the log."""

from __future__ import annotations

import logging
from contextlib import nullcontext

import pytest

from harness.model.clock import SYSTEM_CLOCK, Clock

LOG = logging.getLogger(__name__)


class Teller:
    """Call it with a line. Quiet under `-q`; log only in an xdist worker, which has no terminal."""

    def __init__(self, config: pytest.Config, clock: Clock = SYSTEM_CLOCK) -> None:
        self._config = config
        self._clock = clock
        self._start_s = clock.monotonic()

    def __call__(self, line: str) -> None:
        """Show one line at once, even where pytest captures output."""
        stamped = f"[{self._clock.monotonic() - self._start_s:4.0f} s] {line}"
        LOG.info("%s", stamped)
        terminal = self._config.pluginmanager.getplugin("terminalreporter")
        if terminal is None or self._config.get_verbosity() < 0:
            return
        capture = self._config.pluginmanager.getplugin("capturemanager")
        with capture.global_and_fixture_disabled() if capture else nullcontext():
            terminal.ensure_newline()
            terminal.write_line(stamped)
            terminal.flush()
