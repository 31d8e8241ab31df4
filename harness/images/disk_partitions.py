"""The partitions of a raw disk image, and the file systems in them, by their first bytes.

Sources: UEFI 2.10, chapter 5.3 (GPT); XFS Algorithms & Data Structures, "Superblocks"; the kernel's
Documentation/filesystems/ext4/super.rst.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import BinaryIO

from harness.model.errors import InputError

_SECTOR_BYTES = 512
_HEADER = struct.Struct("<8s64xQII")  # signature, first entry's sector, count, size of each
_ENTRY = struct.Struct("<16s16sQQ8s72s")
_MAX_ENTRIES = 128  # of 128 bytes or more
_MAX_ENTRY_BYTES = 4096
_UNUSED = bytes(16)
_EXT4_MAGIC_AT = 1024 + 56


class FileSystem(StrEnum):
    """A file system that can be read without mounting it."""

    XFS = "xfs"
    EXT4 = "ext4"


@dataclass(frozen=True, slots=True, kw_only=True)
class Partition:
    """One partition: its number from 1, its name, where it begins, and its file system if known."""

    number: int
    name: str
    offset_bytes: int
    file_system: FileSystem | None


def partitions(disk: Path, subject: str) -> tuple[Partition, ...]:
    """Return the partitions of a raw disk image; errors call it `subject`.

    Raises:
        InputError: it has no partition table of the kind GPT, or cannot be read.
    """
    try:
        with disk.open("rb") as file:
            return tuple(_partitions(file, subject))
    except OSError as exc:
        problem = f"cannot be read: {exc.strerror}"
        raise InputError(subject, problem, "Check the file.") from exc


def _partitions(file: BinaryIO, subject: str) -> Iterator[Partition]:
    end = file.seek(0, os.SEEK_END)
    file.seek(_SECTOR_BYTES)
    header = file.read(_HEADER.size).ljust(_HEADER.size, b"\0")
    signature, first, count, size_bytes = _HEADER.unpack(header)
    is_known = signature == b"EFI PART" and _ENTRY.size <= size_bytes <= _MAX_ENTRY_BYTES
    if not is_known or first * _SECTOR_BYTES >= end:
        problem = "a disk without a partition table of the kind GPT"
        raise InputError(subject, problem, "Use a CoreOS disk image with 512-byte sectors.")
    for number in range(1, min(count, _MAX_ENTRIES) + 1):
        file.seek(first * _SECTOR_BYTES + (number - 1) * size_bytes)
        entry = file.read(_ENTRY.size)
        if len(entry) < _ENTRY.size:
            return
        kind, _, begin, _, _, name = _ENTRY.unpack(entry)
        if kind != _UNUSED and begin * _SECTOR_BYTES < end:
            offset_bytes = begin * _SECTOR_BYTES
            yield Partition(
                number=number, name=name.decode("utf-16-le", "replace").rstrip("\0"),
                offset_bytes=offset_bytes, file_system=_file_system(file, offset_bytes),
            )  # fmt: skip


def _file_system(file: BinaryIO, offset_bytes: int) -> FileSystem | None:
    file.seek(offset_bytes)
    head = file.read(_EXT4_MAGIC_AT + 2)
    if head.startswith(b"XFSB"):
        return FileSystem.XFS
    return FileSystem.EXT4 if head[_EXT4_MAGIC_AT:] == b"\x53\xef" else None
