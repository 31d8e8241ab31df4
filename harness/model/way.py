"""How the node layer gets onto a node."""

from __future__ import annotations

from enum import StrEnum


class Way(StrEnum):
    """How the node layer gets onto the node."""

    LIVE_APPLY = "live-apply"
    PIVOT = "pivot"
    NONE = "none"
    """The bootimage has it, and nothing may change."""
