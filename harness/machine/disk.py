"""Disks that a machine writes to: overlays over an unchanged image, or blank ones."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from harness import process
from harness.model.clock import Deadline, NotYet, wait_for
from harness.model.errors import InputError, RigError

GIB = 1024**3
MIN_FREE_BYTES = 4 * GIB
BLANK_BYTES = 16 * GIB
_LOOK_S = 0.05


def create_overlay(
    base: Path,
    base_format: str,
    folder: Path,
    *,
    deadline: Deadline,
    size_bytes: int | None = None,
    min_free_bytes: int = MIN_FREE_BYTES,
) -> Path:
    """Return a new overlay in `folder` over `base`, of `size_bytes` if given.

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
            "-F", base_format, "-b", base.absolute(),
            overlay, *size,
        ),
        deadline,
    )  # fmt: skip
    return overlay


def create_blank(
    folder: Path, size_bytes: int, deadline: Deadline, *, min_free_bytes: int = MIN_FREE_BYTES
) -> Path:
    """Return a new sparse disk of zeros in `folder`.

    Raises:
        InputError: the file system of `folder` has less than `min_free_bytes` free.
        CommandError: qemu-img refused the size.
    """
    _require_space(folder, min_free_bytes)
    disk = folder / "blank.qcow2"
    process.run(("qemu-img", "create", "-q", "-f", "qcow2", disk, str(size_bytes)), deadline)
    return disk


@contextmanager
def served(disk: Path, socket: Path, deadline: Deadline) -> Iterator[None]:
    """Serve the qcow2 image `disk` by NBD at `socket`, to up to two clients at a time.

    QEMU lets two clients of one server write to a qcow2 image, but not two drives.

    Raises:
        RigError: the server ended.
        DeadlineError: it does not listen yet.
    """
    command = (
        "qemu-nbd", "--persistent", "--shared=2", "--cache=unsafe", "--format=qcow2",
        f"--socket={socket}", disk,
    )  # fmt: skip
    with process.start(command, stdout=subprocess.DEVNULL) as child:
        wait_for("qemu-nbd", partial(_listens, child, socket), deadline, _LOOK_S)
        yield


def _listens(child: subprocess.Popen[bytes], socket: Path) -> None:
    if child.poll() is not None:
        said = child.stderr.read().decode(errors="replace") if child.stderr else ""
        problem = f"ended with status {child.returncode}: {said.strip()}"
        raise RigError("qemu-nbd", problem, "Check this host with `node-image doctor`.")
    if not socket.exists():
        raise NotYet(f"there is no {socket}")


def _require_space(folder: Path, min_free_bytes: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < min_free_bytes:
        raise InputError(
            str(folder),
            f"no space for a disk: {free / GIB:.1f} GiB free, "
            f"{min_free_bytes / GIB:.1f} GiB needed",
            "Free disk space there, or mount a larger file system there.",
        )
