"""The only source of time: a clock that tests can replace, and deadlines of it.

Code that waits takes a `Deadline` and polls with `wait_for`; nothing else in the harness calls
`time.sleep` or `time.monotonic`.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Protocol, TypeVar

from harness.model.errors import DeadlineError

T = TypeVar("T")


class Clock(Protocol):
    """Monotonic seconds, and a sleep that advances them."""

    def monotonic(self) -> float:
        """Return the seconds since an arbitrary start."""

    def sleep(self, seconds: float) -> None:
        """Block for `seconds`."""


class SystemClock:
    """The clock of the machine."""

    def monotonic(self) -> float:
        """Return the host's monotonic seconds."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Block the calling thread for `seconds`."""
        time.sleep(seconds)


SYSTEM_CLOCK = SystemClock()
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:\d\d)?", re.ASCII)


def utc_now() -> str:
    """Return the host's date and time in UTC, in ISO 8601 with seconds."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def moment_of(text: str) -> datetime:
    """Return the date and time that `utc_now` wrote, or another program in the same form.

    Raises:
        ValueError: it has another form, or is not a date.
    """
    if not _MOMENT.fullmatch(text):
        raise ValueError(f"{text[:40]!r} is not a date and time such as 2026-11-27T18:00:00Z")
    found = datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def unix_time() -> float:
    """Return the host's time in seconds since 1970."""
    return time.time()


def process_cpu_s() -> float:
    """Return the seconds of CPU that this process has used."""
    return time.process_time()


@dataclass(frozen=True, slots=True, kw_only=True)
class Deadline:
    """A point in time at which a wait ends; passed between functions instead of timeouts."""

    limit_s: float
    ends_at: float
    clock: Clock = field(repr=False, default=SYSTEM_CLOCK)

    @classmethod
    def after(cls, limit_s: float, clock: Clock = SYSTEM_CLOCK) -> Deadline:
        """Return the deadline `limit_s` seconds from now."""
        return cls(limit_s=limit_s, ends_at=clock.monotonic() + limit_s, clock=clock)

    @property
    def remaining_s(self) -> float:
        """Seconds left, never negative."""
        return max(0.0, self.ends_at - self.clock.monotonic())

    @property
    def is_over(self) -> bool:
        """Whether no time is left."""
        return self.remaining_s <= 0.0

    def within(self, limit_s: float) -> Deadline:
        """Return the earlier of this deadline and `limit_s` seconds from now."""
        return Deadline.after(min(limit_s, self.remaining_s), self.clock)


class NotYet(Exception):
    """Raised by a check of `wait_for` that has not succeeded yet; its text gives the reason."""


def wait_for(goal: str, check: Callable[[], T], deadline: Deadline, tick_s: float = 0.25) -> T:
    """Return what `check` returns; repeat it every `tick_s` seconds while it raises `NotYet`.

    It runs at least once, and once more at the deadline, so that a late success counts.

    Raises:
        DeadlineError: the deadline passed; has the last `NotYet` text.
        Exception: `check` raised another error; it is not repeated.
    """
    while True:
        last_try = deadline.is_over
        try:
            return check()
        except NotYet as exc:
            if last_try:
                raise DeadlineError(goal, deadline.limit_s, str(exc)) from exc
        deadline.clock.sleep(min(tick_s, deadline.remaining_s))
