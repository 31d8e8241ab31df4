"""A string that no repr, log line or traceback shows."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Secret:
    """Text such as a private key or a pull secret; only `reveal` returns it."""

    _text: str = field(repr=False)

    def reveal(self) -> str:
        """Return the text, for the place that has to write it."""
        return self._text

    def __str__(self) -> str:
        return "[secret]"
