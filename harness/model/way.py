"""The ways in which the node layer comes onto a node."""

from __future__ import annotations

from enum import StrEnum


class Way(StrEnum):
    """How the node layer comes onto the node."""

    LIVE_APPLY = "live-apply"
    PIVOT = "pivot"
    NONE = "none"
    """It is in the bootimage already, and nothing may change."""
