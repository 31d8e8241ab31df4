"""Progress of long transfers: a bar on a terminal, otherwise one log line every few seconds."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol, TextIO

from tqdm import tqdm

from harness.model.clock import Clock

LOG = logging.getLogger(__name__)
_LINE_EVERY_S = 5.0
_MIB = 1 << 20


class Progress(Protocol):
    """Takes the position in bytes; a position may go back when a transfer starts over."""

    def at(self, done_bytes: int, total_bytes: int | None) -> None:
        """Show the position; `total_bytes` is None while unknown."""

    def close(self) -> None:
        """Leave the terminal clean."""


@contextmanager
def shown(label: str, clock: Clock, terminal: TextIO | None = None) -> Iterator[Progress]:
    """Show progress under `label` while the block runs; `terminal` is by default stderr."""
    stream = terminal or sys.stderr
    progress: Progress = _Bar(label, stream) if stream.isatty() else Lines(label, clock)
    try:
        yield progress
    finally:
        progress.close()


class Lines:
    """Progress as log lines, for pipes and CI."""

    def __init__(self, label: str, clock: Clock) -> None:
        self._label = label
        self._clock = clock
        self._last_s = clock.monotonic()

    def at(self, done_bytes: int, total_bytes: int | None) -> None:
        """Log the position when the last line is old enough."""
        if self._clock.monotonic() - self._last_s < _LINE_EVERY_S:
            return
        self._last_s = self._clock.monotonic()
        of_total = f" of {total_bytes // _MIB}" if total_bytes else ""
        LOG.info("%s: %d%s MiB", self._label, done_bytes // _MIB, of_total)

    def close(self) -> None:
        """Do nothing: a log needs no end."""


class _Bar:
    def __init__(self, label: str, stream: TextIO) -> None:
        self._bar = tqdm(
            desc=label, unit="B", unit_scale=True, unit_divisor=1024, leave=False, file=stream
        )

    def at(self, done_bytes: int, total_bytes: int | None) -> None:
        self._bar.total = total_bytes
        self._bar.update(done_bytes - self._bar.n)

    def close(self) -> None:
        self._bar.close()
