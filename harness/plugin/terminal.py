"""Progress lines on pytest's terminal."""

from __future__ import annotations

from contextlib import nullcontext

import pytest

from harness.model.escapes import printable


class Terminal:
    """Writes whole lines among pytest's own, if there is pytest's terminal; not under `-q`."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config

    def __call__(self, line: str) -> None:
        """Show one line at once, even where pytest captures output."""
        if self._config.get_verbosity() >= 0:
            self._write(line)

    def warn(self, line: str) -> None:
        """Show one line at once, in red, and under `-q` too."""
        self._write(line, red=True, bold=True)

    def _write(self, line: str, **markup: bool) -> None:
        terminal = self._config.pluginmanager.getplugin("terminalreporter")
        if terminal is None:
            return
        capture = self._config.pluginmanager.getplugin("capturemanager")
        with capture.global_and_fixture_disabled() if capture else nullcontext():
            terminal.ensure_newline()
            if self._config.get_terminal_writer().width_of_current_line:
                terminal.write_line("")  # xdist's dots, of which `ensure_newline` does not know
            terminal.write_line(printable(line), **markup)
            terminal.flush()
