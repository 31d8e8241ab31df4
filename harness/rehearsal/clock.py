"""Time that passes while somebody waits, up to the next moment at which something happens."""

from __future__ import annotations

from collections.abc import Callable

_IDLE_S = 40.0
_SHORTEST_S = 0.5


class ScriptedClock:
    """A clock that jumps to what is due next, and does it."""

    def __init__(self) -> None:
        self.now = 0.0
        self._due: list[tuple[float, Callable[[], None]]] = []

    def add(self, at_s: float, act: Callable[[], None]) -> None:
        """Call `act` at a moment."""
        self._due.append((at_s, act))
        self._due.sort(key=lambda due: due[0])

    def monotonic(self) -> float:
        """Return the seconds since the rehearsal began."""
        return self.now

    def sleep(self, seconds: float) -> None:
        """Let time pass, more than `seconds` if nothing happens sooner."""
        next_s = self._due[0][0] if self._due else self.now + _IDLE_S
        self.now = max(self.now + min(seconds, _SHORTEST_S), min(next_s, self.now + _IDLE_S))
        while self._due and self._due[0][0] <= self.now:
            self._due.pop(0)[1]()
