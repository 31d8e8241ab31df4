"""Memory for machines: every run of this user waits here until its machines fit.

All tokens are read and written under the gate of all runs.

Order: a run that has memory and wants more comes first, since only its end frees what it has; then
whoever has waited longest, also one that wants most. Nobody is passed by for a smaller one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path

from harness.machine.ownership.memory import (
    MIB,
    MemoryShortageError,
    Survey,
    capacity_bytes,
    survey,
)
from harness.machine.ownership.sweep import gate
from harness.machine.ownership.tokens import Token, tokens_of_all, unused_bytes
from harness.model.clock import SYSTEM_CLOCK, Clock, Deadline, NotYet, wait_for
from harness.model.errors import DeadlineError

_LOOK_S = 0.5
# How long nobody's end may be awaited, while what is gone still counts as used.
_GRACE_S = 30.0
_LIMIT_S = 12 * 3600.0
_NAMED = 3


class Memory:
    """What one run has of the memory of this host and its cgroups, which all runs share.

    `awaiting` reports what its block waits for.
    """

    def __init__(self, run: Path, root: Path = Path("/"), clock: Clock = SYSTEM_CLOCK) -> None:
        self._run = run
        self._root = root
        self._clock = clock
        self._ahead_mib = 0
        self.awaiting: Callable[[Callable[[], str]], AbstractContextManager[None]] = lambda _: (
            nullcontext()
        )

    @contextmanager
    def reserve(self, name: str, mib: int) -> Iterator[None]:
        """Have `mib` for `name` in the block: from what was reserved ahead, or when it fits.

        Raises:
            MemoryShortageError: it never fits here, or nobody is left whose end could help.
        """
        if mib > self._ahead_mib:
            with self._token(name, mib):
                yield
            return
        self._ahead_mib -= mib
        try:
            yield
        finally:
            self._ahead_mib += mib

    @contextmanager
    def ahead(self, name: str, mib: int, wish_mib: int = 0) -> Iterator[None]:
        """Reserve `mib` for what the block reserves, so that no two runs wait for each other.

        `wish_mib` more are reserved unless the host has too little while no other run has memory.

        Raises:
            MemoryShortageError: as `reserve`.
        """
        with self._token(name, mib, wish_mib) as got_mib:
            self._ahead_mib += got_mib
            try:
                yield
            finally:
                self._ahead_mib -= got_mib

    @contextmanager
    def _token(self, name: str, mib: int, wish_mib: int = 0) -> Iterator[int]:
        with gate(self._run.parent):
            token = self._queued(name, mib)
        try:
            yield _Wait(token, wish_mib, self._root, self._clock).wait(self.awaiting)
        finally:
            token.path.unlink(missing_ok=True)

    def _queued(self, name: str, mib: int) -> Token:
        tokens = tokens_of_all(self._run)
        own_mib = sum(t.mib for t in tokens if t.run == self._run and not t.is_waiting)
        most_mib = capacity_bytes(self._root) // MIB
        if own_mib + mib > most_mib:
            own = f" besides the {own_mib} that this run has" if own_mib else ""
            why = f"{most_mib} MiB is all that there is{own}"
            raise MemoryShortageError(mib, survey(self._root), name, why)
        number = 1 + max((token.number for token in tokens), default=0)
        token = Token(run=self._run, number=number, mib=mib, name=name, is_waiting=True)
        token.write()
        return token


class _Wait:
    """The wait of one token."""

    def __init__(self, token: Token, wish_mib: int, root: Path, clock: Clock) -> None:
        self._token = token
        self._wish_mib = wish_mib
        self._root = root
        self._clock = clock
        self._stuck_since_s: float | None = None
        self._reason = ""

    def wait(self, awaiting: Callable[[Callable[[], str]], AbstractContextManager[None]]) -> int:
        """Return how many MiB are reserved, when they are."""
        try:
            return self._look()
        except NotYet:
            pass
        goal, deadline = f"memory for {self._token.name}", Deadline.after(_LIMIT_S, self._clock)
        with awaiting(lambda: self._reason):
            return wait_for(goal, self._look, deadline, tick_s=_LOOK_S)

    def _look(self) -> int:
        runs = self._token.run.parent
        try:
            opened = gate(runs)
        except DeadlineError as exc:
            raise NotYet(str(exc)) from exc
        with opened:
            tokens = tokens_of_all(self._token.run)
            found = replace(survey(self._root), reserved_bytes=unused_bytes(tokens))
            if (mib := self._fitting(tokens, found)) is not None:
                replace(self._token, mib=mib, is_waiting=False).write()
                return mib
        self._reason = _reason(self._token, tokens, found)
        self._require_hope(tokens, found)
        raise NotYet(self._reason)

    def _fitting(self, tokens: tuple[Token, ...], found: Survey) -> int | None:
        """Return what to reserve now, None if it is not this token's turn or does not fit."""
        if _before(self._token, tokens):
            return None
        most_mib = self._token.mib + self._wish_mib
        if most_mib * MIB <= found.available_bytes:
            return most_mib
        fits = self._token.mib * MIB <= found.available_bytes
        return self._token.mib if fits and not _having(tokens, self._token.run) else None

    def _require_hope(self, tokens: tuple[Token, ...], found: Survey) -> None:
        """Raise if for a while nobody's end could have helped."""
        if not _is_stuck(self._token, tokens):
            self._stuck_since_s = None
            return
        now_s = self._clock.monotonic()
        if self._stuck_since_s is None:
            self._stuck_since_s = now_s
        if now_s - self._stuck_since_s >= _GRACE_S:
            raise MemoryShortageError(self._token.mib, found, self._token.name)


def _before(token: Token, tokens: tuple[Token, ...]) -> tuple[Token, ...]:
    """Return the tokens that are served before this one."""
    having = {t.run for t in tokens if not t.is_waiting}
    if token.run in having:
        return ()
    waiting = (t for t in tokens if t.is_waiting)
    return tuple(t for t in waiting if t.run in having or t.number < token.number)


def _having(tokens: tuple[Token, ...], but: Path) -> set[Path]:
    """Return the other runs that have memory."""
    return {token.run for token in tokens if not token.is_waiting} - {but}


def _is_stuck(token: Token, tokens: tuple[Token, ...]) -> bool:
    """Return whether nobody's end will free memory for a token whose turn it is.

    If all runs that have memory wait for more, the one that came last has to give up.
    """
    waiting = {t.run for t in tokens if t.is_waiting}
    having = _having(tokens, token.run)
    if having - waiting or _before(token, tokens):
        return False
    if not having:
        return True
    has_some = any(t.run == token.run and not t.is_waiting for t in tokens)
    rivals = [t.number for t in tokens if t.is_waiting and t.run in having]
    return has_some and token.number > max(rivals)


def _reason(token: Token, tokens: tuple[Token, ...], found: Survey) -> str:
    """Return what is awaited; what changes while it lasts is behind the semicolon."""
    text = f"{token.name}: waiting for {token.mib} MiB of memory"
    free = f"{found.available_bytes // MIB} MiB are available"
    others = [t for t in tokens if not t.is_waiting and t.run != token.run]
    if others:
        free += f", and {_named(others)} will end"
    if before := _before(token, tokens):
        free += f"; {_named(list(before))} came first"
    return f"{text}; {free}"


def _named(tokens: list[Token]) -> str:
    more = f" and {len(tokens) - _NAMED} more" if len(tokens) > _NAMED else ""
    return ", ".join(f"{token} ({token.mib} MiB)" for token in tokens[:_NAMED]) + more
