"""A string that never shows itself in a repr, a log line or a traceback."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Secret:
    """Text such as a private key or a pull secret; only `reveal` gives it out."""

    _text: str = field(repr=False)

    def reveal(self) -> str:
        """Return the text, for the one place that has to write it."""
        return self._text

    def __str__(self) -> str:
        return "[secret]"
