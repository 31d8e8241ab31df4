"""Progress of long transfers, as lines: the same on a terminal, in a pipe and in a CI log."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from harness.model.clock import Clock

LOG = logging.getLogger(__name__)
Tell = Callable[[str], None]
"""Takes one line for whoever waits."""

_LINE_EVERY_S = 10.0
_MIB = 1 << 20
_TENTHS_BELOW = 10


@contextmanager
def shown(label: str, clock: Clock, tell: Tell | None = None) -> Iterator[Progress]:
    """Tell of the transfer `label` while the block runs, and at its end; the log by default.

    What takes less than ten seconds is not told of, and the end only if it succeeded.
    """
    progress = Progress(label, clock, tell or LOG.info)
    yield progress
    progress.finish()


class Progress:
    """Takes the position in bytes; a position may go back when a transfer starts over."""

    def __init__(self, label: str, clock: Clock, tell: Tell) -> None:
        self._label = label
        self._clock = clock
        self._tell = tell
        self._begin_s = self._last_s = clock.monotonic()
        self._begin_bytes: int | None = None
        self._last_bytes = self._done_bytes = 0

    def at(self, done_bytes: int, total_bytes: int | None) -> None:
        """Tell the position when the last line is old enough; `total_bytes` None is unknown."""
        self._done_bytes = done_bytes
        if self._begin_bytes is None:
            self._begin_bytes = self._last_bytes = done_bytes
        self._begin_bytes = min(self._begin_bytes, done_bytes)
        now_s = self._clock.monotonic()
        if now_s - self._last_s < _LINE_EVERY_S:
            return
        of_total = f" of {total_bytes // _MIB}" if total_bytes else ""
        rate = _rate(done_bytes - self._last_bytes, now_s - self._last_s)
        self._tell(f"{self._label}: {done_bytes // _MIB}{of_total} MiB ({rate})")
        self._last_s, self._last_bytes = now_s, done_bytes

    def finish(self) -> None:
        """Tell the end of what took long."""
        lasted_s = self._clock.monotonic() - self._begin_s
        if self._begin_bytes is None or lasted_s < _LINE_EVERY_S:
            return
        rate = _rate(self._done_bytes - self._begin_bytes, lasted_s)
        self._tell(f"{self._label}: {self._done_bytes // _MIB} MiB in {lasted_s:.0f} s ({rate})")


def folder_bytes(folder: Path) -> int:
    """Return the size of the files below `folder`, 0 when there is none."""
    total = 0
    for path in folder.rglob("*"):
        with suppress(FileNotFoundError):  # another process is at work there
            total += path.stat().st_size if path.is_file() else 0
    return total


def _rate(moved_bytes: int, seconds: float) -> str:
    mib_s = max(0, moved_bytes) / _MIB / seconds
    return f"{mib_s:.{1 if mib_s < _TENTHS_BELOW else 0}f} MiB/s"
