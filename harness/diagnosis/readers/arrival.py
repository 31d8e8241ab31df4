"""Text as it arrives: whole lines out of pieces, and the guest's clock held against the host's."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class Assembler:
    """Joins pieces of text to lines. A line longer than `longest` is cut there."""

    longest: int
    rest: str = field(init=False, default="")
    """The last line as far as it is here."""
    _skips: bool = field(init=False, default=False)

    def feed(self, text: str) -> list[str]:
        """Return the lines that `text` ended, without their ends."""
        *lines, self.rest = (self.rest + text).split("\n")
        if self._skips and lines:
            del lines[0]
            self._skips = False
        if self._skips:
            self.rest = ""
        elif len(self.rest) > self.longest:
            lines.append(self.rest[: self.longest])
            self.rest, self._skips = "", True
        return lines


@dataclass(slots=True)
class GuestClock:
    """When, by the host's clock, a guest did what it reports with its own time.

    Every line proves that its boot began no later than `now - uptime`; the earliest such proof
    holds. The console comes live, so readers that share this clock with its reader give true times
    to a journal that arrives as a burst. All times are seconds.
    """

    boot: int = field(init=False, default=1)
    """The boot that the console is in."""
    since_s: float = field(init=False, default=0.0)
    """When the boot before it spoke last: this one began later."""
    _began_s: dict[int, float] = field(init=False, default_factory=dict)

    def hear(self, boot: int, uptime_s: float, now_s: float) -> None:
        """Take into account that `boot` reported `uptime_s` at `now_s`.

        An uptime beyond the time since power-on is none: a program wrote it.
        """
        began_s = now_s - uptime_s
        if 0 <= began_s < self._began_s.get(boot, now_s + 1):
            self._began_s[boot] = began_s

    def at_s(self, boot: int, uptime_s: float, now_s: float) -> float:
        """Return when it was `uptime_s` in `boot`; `now_s` while that is not known."""
        return min(self._began_s.get(boot, now_s) + uptime_s, now_s)
