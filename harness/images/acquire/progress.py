"""Progress of long transfers, as lines: the same on a terminal, in a pipe and in a CI log."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from harness.model.clock import Clock

LOG = logging.getLogger(__name__)
Reporter = Callable[[str], None]
"""Takes one line of progress."""

_LINE_EVERY_S = 10.0
_MIB = 1 << 20
_TENTHS_BELOW = 10


@contextmanager
def transfer_progress(
    label: str, clock: Clock, report: Reporter | None = None
) -> Iterator[TransferProgress]:
    """Report the transfer `label` while the block runs, and its success; to the log by default.

    A transfer of less than ten seconds is not reported.
    """
    progress = TransferProgress(label, clock, report or LOG.info)
    yield progress
    progress.finish()


class TransferProgress:
    """Takes the position in bytes, which goes back when a transfer starts over."""

    def __init__(self, label: str, clock: Clock, report: Reporter) -> None:
        self._label = label
        self._clock = clock
        self._report = report
        self._begin_s = self._last_s = clock.monotonic()
        self._begin_bytes: int | None = None
        self._last_bytes = self._done_bytes = 0

    def at(self, done_bytes: int, total_bytes: int | None) -> None:
        """Report the position if the last line is old enough; `total_bytes` None means unknown."""
        self._done_bytes = done_bytes
        if self._begin_bytes is None:
            self._begin_bytes = self._last_bytes = done_bytes
        self._begin_bytes = min(self._begin_bytes, done_bytes)
        now_s = self._clock.monotonic()
        if now_s - self._last_s < _LINE_EVERY_S:
            return
        of_total = f" of {total_bytes // _MIB}" if total_bytes else ""
        rate = _rate(done_bytes - self._last_bytes, now_s - self._last_s)
        self._report(f"{self._label}: {done_bytes // _MIB}{of_total} MiB ({rate})")
        self._last_s, self._last_bytes = now_s, done_bytes

    def finish(self) -> None:
        """Report the end of a long transfer."""
        lasted_s = self._clock.monotonic() - self._begin_s
        if self._begin_bytes is None or lasted_s < _LINE_EVERY_S:
            return
        rate = _rate(self._done_bytes - self._begin_bytes, lasted_s)
        self._report(f"{self._label}: {self._done_bytes // _MIB} MiB in {lasted_s:.0f} s ({rate})")


def folder_bytes(folder: Path) -> int:
    """Return the size of all files below `folder`, 0 for none."""
    total = 0
    for path in folder.rglob("*"):
        with suppress(FileNotFoundError):  # another process writes there
            total += path.stat().st_size if path.is_file() else 0
    return total


def _rate(moved_bytes: int, seconds: float) -> str:
    mib_s = max(0, moved_bytes) / _MIB / seconds
    return f"{mib_s:.{1 if mib_s < _TENTHS_BELOW else 0}f} MiB/s"
