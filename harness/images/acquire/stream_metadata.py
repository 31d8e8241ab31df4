"""Recognises CoreOS stream metadata that is given in place of the disk image that it describes.

Source: github.com/coreos/stream-metadata-go, and the installer's data/data/coreos/*.json.
"""

from __future__ import annotations

import platform
from pathlib import Path
from typing import Any

from harness.model.errors import InputError
from harness.model.foreign import json_value

_LIMIT_BYTES = 8 << 20


def require_disk(path: Path, subject: str) -> None:
    """Return unless the file is stream metadata; errors call it `subject`.

    Raises:
        InputError: it is; names the disk image that it describes.
    """
    architectures = _architectures(path)
    if architectures is None:
        return
    problem = "not a disk image but CoreOS stream metadata (JSON)"
    remedy = "Use the qemu disk image that it describes."
    if disk := _qemu_disk(architectures):
        remedy = f"Use `--bootimage {disk['location']} --bootimage-sha256 {disk['sha256']}`."
    raise InputError(subject, problem, remedy)


# `Any` is the metadata's JSON, of which only the fields below are read.
def _architectures(path: Path) -> Any | None:  # noqa: ANN401
    if path.stat().st_size > _LIMIT_BYTES:
        return None
    try:
        found = json_value(path.read_bytes())
        return found["architectures"]
    except (ValueError, KeyError, TypeError):
        return None


def _qemu_disk(architectures: Any) -> dict[str, str] | None:  # noqa: ANN401
    """Return the qemu disk image of this host's architecture, else of the first one."""
    try:
        machine = platform.machine()
        name = machine if machine in architectures else next(iter(architectures))
        formats = architectures[name]["artifacts"]["qemu"]["formats"]
        disk = next(iter(formats.values()))["disk"]
        return {key: str(disk[key]) for key in ("location", "sha256")}
    except (KeyError, TypeError, AttributeError, StopIteration):
        return None
