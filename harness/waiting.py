"""Reports what is awaited, every ten seconds in which nothing else is reported."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from harness.model.clock import SYSTEM_CLOCK, Clock

EVERY_S = 10.0
_TICK_S = 1.0


@dataclass(frozen=True, slots=True)
class _Wait:
    what: Callable[[], str]
    begun_s: float


class WaitReporter:
    """Call it with a line of progress; `awaiting` adds lines while nobody calls."""

    def __init__(
        self, report: Callable[[str], None], clock: Clock = SYSTEM_CLOCK, tick_s: float = _TICK_S
    ) -> None:
        self._report = report
        self._clock = clock
        self._tick_s = tick_s
        self._waits: list[_Wait] = []
        self._last_s = clock.monotonic()
        # The thread of `awaiting` reports too. Reentrant: `remind` reports under it.
        self._lock = threading.RLock()

    @classmethod
    def of(cls, report: Callable[[str], None]) -> WaitReporter:
        """Return `report` if it is one already, so that one silence is counted once."""
        return report if isinstance(report, cls) else cls(report)

    def __call__(self, line: str) -> None:
        """Report one line at once."""
        with self._lock:
            self._last_s = self._clock.monotonic()
            self._report(line)

    @contextmanager
    def awaiting(self, what: str | Callable[[], str]) -> Iterator[None]:
        """Report `what` with its seconds while the block runs and nothing else is reported.

        A function is asked for each line, from another thread. Of nested waits the innermost is
        reported.
        """
        ask = (lambda: what) if isinstance(what, str) else what
        with self._lock:
            now_s = self._clock.monotonic()
            self._waits.append(_Wait(what=ask, begun_s=now_s))
            self._last_s = now_s
        try:
            with self._thread():
                yield
        finally:
            self._waits.pop()

    def remind(self) -> None:
        """Report the innermost wait if it is time for that; the thread calls it each tick."""
        with self._lock:
            if not self._waits:
                return
            wait, now_s = self._waits[-1], self._clock.monotonic()
            if now_s - self._last_s >= EVERY_S:
                self(f"{wait.what()} ({now_s - wait.begun_s:.0f} s so far)")

    @contextmanager
    def _thread(self) -> Iterator[None]:
        if len(self._waits) > 1:
            yield  # the thread of the outermost wait reports this one
            return
        is_over = threading.Event()

        def work() -> None:
            while not is_over.wait(self._tick_s):
                self.remind()

        thread = threading.Thread(target=work, name="node-image-waiting", daemon=True)
        thread.start()
        try:
            yield
        finally:
            is_over.set()
            thread.join()  # no line comes after the block
