"""Disks that a machine may write to: overlays over an image that stays as it is, or blank ones."""

from __future__ import annotations

import shutil
from pathlib import Path

from harness import process
from harness.model.clock import Deadline
from harness.model.errors import InputError

GIB = 1024**3
MIN_FREE_BYTES = 4 * GIB
BLANK_BYTES = 16 * GIB


def create_overlay(
    base: Path,
    base_format: str,
    folder: Path,
    *,
    deadline: Deadline,
    size_bytes: int | None = None,
    min_free_bytes: int = MIN_FREE_BYTES,
) -> Path:
    """Return a new overlay in `folder` over `base`, grown to `size_bytes` when given.

    Raises:
        InputError: the file system of `folder` has less than `min_free_bytes` free.
        CommandError: qemu-img refused `base`.
    """
    _require_space(folder, min_free_bytes)
    overlay = folder / "overlay.qcow2"
    size = () if size_bytes is None else (str(size_bytes),)
    process.run(
        (
            "qemu-img", "create", "-q", "-f", "qcow2",
            "-F", base_format, "-b", base.resolve(),
            overlay, *size,
        ),
        deadline,
    )  # fmt: skip
    return overlay


def create_blank(
    folder: Path, size_bytes: int, deadline: Deadline, *, min_free_bytes: int = MIN_FREE_BYTES
) -> Path:
    """Return a new disk of zeros in `folder`, which takes space only as it is written to.

    Raises:
        InputError: the file system of `folder` has less than `min_free_bytes` free.
        CommandError: qemu-img refused the size.
    """
    _require_space(folder, min_free_bytes)
    disk = folder / "blank.qcow2"
    process.run(("qemu-img", "create", "-q", "-f", "qcow2", disk, str(size_bytes)), deadline)
    return disk


def _require_space(folder: Path, min_free_bytes: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < min_free_bytes:
        raise InputError(
            str(folder),
            f"no space for a disk: {free / GIB:.1f} GiB free, "
            f"{min_free_bytes / GIB:.1f} GiB needed",
            "free space there, or put run folders on a larger file system",
        )
