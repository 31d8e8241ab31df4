"""Reports what is awaited, every ten seconds in which nothing else is reported."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from harness.model.clock import SYSTEM_CLOCK, Clock

EVERY_S = 10.0
_TICK_S = 1.0


_DETAIL = re.compile(r"\d+|;.*")
"""Parts of a text that change while the same stage lasts: numbers, and what follows a semicolon."""


@dataclass(slots=True)
class _Wait:
    """A wait, and the stage of it that lasts since `since_s`."""

    what: Callable[[], str]
    since_s: float
    stage: str = ""

    def look(self, now_s: float) -> str:
        """Return what is awaited now."""
        text = self.what()
        if (stage := _DETAIL.sub("", text)) != self.stage:
            self.stage, self.since_s = stage, now_s
        return text


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

        A function is asked each second, from another thread. The seconds are those of a stage: a
        text with other words begins a new one, other numbers or words after a semicolon do not. Of
        nested waits the innermost is reported.
        """
        ask = (lambda: what) if isinstance(what, str) else what
        with self._lock:
            now_s = self._clock.monotonic()
            wait = _Wait(what=ask, since_s=now_s)
            wait.look(now_s)
            self._waits.append(wait)
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
            text = wait.look(now_s)
            if now_s - self._last_s >= EVERY_S:
                self(f"{text} ({now_s - wait.since_s:.0f} s so far)")

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
