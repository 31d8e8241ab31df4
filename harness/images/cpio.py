"""Archives in cpio's `newc` format, which a kernel unpacks as an initramfs.

Source: Documentation/driver-api/early-userspace/buffer-format.rst of Linux.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

_REGULAR = 0o100644
_TRAILER = "TRAILER!!!"
_COPY_BYTES = 1 << 20


def archive(members: Iterable[tuple[str, bytes]]) -> bytes:
    """Return an archive of regular files by path, without the leading slash."""
    parts = [_entry(path, len(contents)) + _padded(contents) for path, contents in members]
    return b"".join(parts) + trailer()


def write_file(stream: BinaryIO, path: str, source: Path) -> None:
    """Write the file `source` as the member `path`; after the last one comes a `trailer`."""
    size = source.stat().st_size
    stream.write(_entry(path, size))
    with source.open("rb") as file:
        while block := file.read(_COPY_BYTES):
            stream.write(block)
    stream.write(bytes(-size % 4))


def trailer() -> bytes:
    """Return the end of an archive."""
    return _entry(_TRAILER, 0, mode=0)


def _entry(path: str, size: int, mode: int = _REGULAR) -> bytes:
    name = path.encode() + b"\0"
    numbers = (0, mode, 0, 0, 1, 0, size, 0, 0, 0, 0, len(name), 0)
    header = b"070701" + b"".join(b"%08X" % number for number in numbers)
    return _padded(header + name)


def _padded(block: bytes) -> bytes:
    return block + bytes(-len(block) % 4)
