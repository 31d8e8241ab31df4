"""The live media of a CoreOS version: one ISO, and the same in parts for the network."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveMedia:
    """Where the live media lie; `metal` is the disk image that they install, when it is known.

    Nobody writes to them: an ISO with a config is a copy (`live_iso.with_ignition`).
    """

    iso: Path
    kernel: Path
    initramfs: Path
    rootfs: Path
    metal: Path | None = None
