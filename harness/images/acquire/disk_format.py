"""Whether a file is a sound qcow2 image, a raw disk, or something else.

Only these two formats boot here. The content decides on the format, which then stays fixed: if QEMU
probed it, a raw image could pose as a qcow2 one that names other files of the host.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from harness import process
from harness.model.clock import Deadline
from harness.model.errors import InputError
from harness.model.foreign import json_value

_HEAD_BYTES = 0x8006
_SECTOR_BYTES = 512
_BOOT_SIGNATURE = slice(510, 512)
_GPT_BACKUP_LBA = slice(512 + 32, 512 + 40)  # UEFI 2.10, table 5-5: AlternateLBA
_OTHERS = (
    (0x8001, b"CD001", "an ISO image"),
    (0, b"KDMV", "a VMDK image"),
    (0, b"conectix", "a VHD image"),
    (0, b"vhdxfile", "a VHDX image"),
    (257, b"ustar", "a tar archive"),
    (0, b"PK\x03\x04", "a zip archive"),
    (0, b"BZh", "a bzip2 file"),
)
_CHECK_LEAKS = 3  # qemu-img(1): leaked clusters only waste space


class DiskFormat(StrEnum):
    """A format that machines boot from."""

    QCOW2 = "qcow2"
    RAW = "raw"


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskImage:
    """A disk image that has been inspected."""

    format: DiskFormat
    virtual_size_bytes: int


def inspect_disk_image(path: Path, subject: str, deadline: Deadline) -> DiskImage:
    """Return the disk image at `path`; errors call it `subject`.

    Raises:
        InputError: it is not a disk image, is damaged, or depends on another file.
    """
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    if head.startswith(b"QFI\xfb"):
        return _qcow2(path.absolute(), subject, deadline)
    return _raw(head, path.stat().st_size, subject)


def _raw(head: bytes, size_bytes: int, subject: str) -> DiskImage:
    other = _name_of_other(head)
    if other or head[_BOOT_SIGNATURE] != b"\x55\xaa":
        problem = f"not a disk image but {other or 'something unknown (no boot signature)'}"
        raise InputError(subject, problem, "Use a qcow2 or raw disk image, such as *-qemu.*.qcow2.")
    if head[512:520] == b"EFI PART":
        (backup_lba,) = struct.unpack("<Q", head[_GPT_BACKUP_LBA])
        _require_size(size_bytes, (backup_lba + 1) * _SECTOR_BYTES, subject)
    return DiskImage(format=DiskFormat.RAW, virtual_size_bytes=size_bytes)


def _require_size(size_bytes: int, wanted_bytes: int, subject: str) -> None:
    if size_bytes < wanted_bytes:
        problem = f"truncated: {size_bytes} bytes, its partition table says {wanted_bytes}"
        raise InputError(subject, problem, "Download the file again.")


def _name_of_other(head: bytes) -> str | None:
    for offset, magic, name in _OTHERS:
        if head.startswith(magic, offset):
            return name
    start = head[:_SECTOR_BYTES].lstrip()
    if start[:1] == b"<":
        return "an HTML or XML page"
    if not _is_text(start):
        return None
    return "a JSON file" if start[:1] == b"{" else "a text file"


def _is_text(start: bytes) -> bool:
    # The sector may end within a character: ignore errors there.
    text = start.decode("utf-8", errors="ignore")
    return len(text.encode()) > len(start) - 4 and "\0" not in text


def _qcow2(path: Path, subject: str, deadline: Deadline) -> DiskImage:
    image = _described(path, subject, deadline)
    details = image.get("format-specific", {}).get("data", {})
    backing = image.get("backing-filename") or details.get("data-file")
    if backing:
        problem = f"depends on another file: {backing}"
        remedy = f"Flatten it with `qemu-img convert -O qcow2 {path} FLAT`."
        raise InputError(subject, problem, remedy)
    if image.get("encrypted") or "encrypt" in details:
        raise InputError(subject, "encrypted", "Use an image without encryption.")
    _check(path, subject, deadline)
    return DiskImage(format=DiskFormat.QCOW2, virtual_size_bytes=int(image["virtual-size"]))


# `Any` is qemu-img's JSON, of which only the fields above are read.
def _described(path: Path, subject: str, deadline: Deadline) -> dict[str, Any]:
    argv = ("qemu-img", "info", "--output=json", "-f", "qcow2", path)
    done = process.run(argv, deadline, check=False)
    if done.status != 0:
        raise _damaged(subject, done.stderr)
    parsed: dict[str, Any] = json_value(done.stdout)
    return parsed


def _check(path: Path, subject: str, deadline: Deadline) -> None:
    done = process.run(["qemu-img", "check", "-f", "qcow2", path], deadline, check=False)
    if done.status not in (0, _CHECK_LEAKS):
        raise _damaged(subject, done.stderr)


def _damaged(subject: str, said: str) -> InputError:
    first = next(iter(said.strip().splitlines()), "no reason given")
    problem = f"a damaged or truncated qcow2 image: {first.removeprefix('qemu-img: ')}"
    return InputError(subject, problem, "Download the file again.")
