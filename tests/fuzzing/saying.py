"""What a reader of foreign data says: an error of its own, in which a terminal obeys nothing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from harness.model.errors import HarnessError


class Escape(AssertionError):
    """Text reached the output with characters that a terminal would obey."""


@contextmanager
def said(*kinds: type[Exception]) -> Iterator[None]:
    """Catch errors of these kinds; those of the harness are shown to users, so they are inert."""
    caught = kinds or (HarnessError,)
    try:
        yield
    except caught as exc:
        if isinstance(exc, HarnessError):
            require_inert(str(exc))


def require_inert(text: str) -> None:
    """Require text that a terminal only shows.

    Raises:
        Escape: it has a control character, a mark of direction, or half of a pair.
    """
    for at, character in enumerate(text):
        if not character.isprintable() and character not in "\n\t":
            raise Escape(f"{character!r} in {text[max(0, at - 80) : at + 40]!r}")
