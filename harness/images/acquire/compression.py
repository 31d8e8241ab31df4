"""Compressed files: gzip, xz and zstd, detected by their first bytes and not by their names.

The readers of Python's library take whatever follows an xz stream for its end, allocate as much as
a header asks for, and read names in gzip headers byte by byte. So the decompressors are used here.
"""

from __future__ import annotations

import io
import lzma
import re
import zlib
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import IO, BinaryIO, Protocol, cast

import zstandard

from harness.images.acquire.progress import Reporter, transfer_progress
from harness.model.clock import Deadline
from harness.model.errors import DeadlineError, InputError

# Small pieces bound the memory: a zstd block of 4 bytes can stand for 128 KiB of zeros.
_ZSTD_PIECE_BYTES = 4096
_PIECE_BYTES = 1 << 16
_BUFFER_BYTES = 1 << 17
# Of xz; its strongest preset, 9, needs 65 MiB.
_MAX_MEMORY_BYTES = 256 << 20
_GZIP_WINDOW = 31  # zlib.h, inflateInit2: the largest window, with header and checksum of gzip
_READ_BYTES = 1 << 20
_HOLE_BYTES = 1 << 16
_ZEROS = bytes(_HOLE_BYTES)


class OtherCompressionError(Exception):
    """A stream is packed in a way that neither CoreOS nor OCI uses."""


DAMAGE = (EOFError, zlib.error, lzma.LZMAError, zstandard.ZstdError, OtherCompressionError)
"""What opening and reading a stream raises that is damaged, truncated or packed in another way."""


class Compression(StrEnum):
    """The compressions that bootimages and image layers come in."""

    GZIP = "gzip"
    XZ = "xz"
    ZSTD = "zstd"


_MAGIC = {
    Compression.GZIP: b"\x1f\x8b",
    Compression.XZ: b"\xfd7zXZ\x00",
    Compression.ZSTD: b"\x28\xb5\x2f\xfd",
}
# Whole magic numbers: the name of a file begins a tar archive, and may begin as these do.
_OTHERS = {b"BZh[1-9]1AY&SY": "bzip2", b"\x04\x22M\x18": "lz4", b"PK\x03\x04": "zip"}
_MAGIC_BYTES = 10


def compression_of(file: BinaryIO) -> Compression | None:
    """Return the compression of `file`, None for a plain one; rewinds it."""
    file.seek(0)
    head = file.read(_MAGIC_BYTES)
    file.seek(0)
    return next((kind for kind, magic in _MAGIC.items() if head.startswith(magic)), None)


def opened(file: BinaryIO) -> IO[bytes]:
    """Return what follows in `file` decompressed, or as it is; reading raises one of `DAMAGE`.

    `file` needs no more than `read`, such as a pipe.

    Raises:
        OtherCompressionError: it is packed in another way.
    """
    head = file.read(_MAGIC_BYTES)
    other = next((name for magic, name in _OTHERS.items() if re.match(magic, head)), None)
    if other is not None:
        known = ", ".join(Compression)
        raise OtherCompressionError(f"packed by {other}; what can be read is {known} and tar")
    packed = _Begun(head, file)
    kind = next((kind for kind, magic in _MAGIC.items() if head.startswith(magic)), None)
    if kind is None:
        return cast("IO[bytes]", packed)
    return io.BufferedReader(_Frames(packed, *_FRAMES[kind]), _BUFFER_BYTES)


def decompress(
    source: Path, target: Path, subject: str, deadline: Deadline, *, report: Reporter | None = None
) -> None:
    """Write the decompressed `source` to `target`, with holes for blocks of zeros.

    `report` gets a line of progress, in bytes of `source`, every ten seconds.

    Raises:
        InputError: `subject` is damaged or truncated.
    """
    with (
        source.open("rb") as packed,
        target.open("wb") as out,
        transfer_progress(
            f"decompressing {Path(subject).name}", deadline.clock, report
        ) as progress,
    ):
        total_bytes = source.stat().st_size
        plain = opened(packed)
        while block := _read(plain, subject):
            _write_sparse(out, block)
            progress.at(packed.tell(), total_bytes)
            if deadline.is_over:
                goal = f"decompressing {subject}"
                reason = f"{packed.tell()} of {total_bytes} B read"
                raise DeadlineError(goal, deadline.limit_s, reason)
        out.truncate()


def _read(plain: IO[bytes], subject: str) -> bytes:
    try:
        return plain.read(_READ_BYTES)
    except DAMAGE as exc:
        problem = f"damaged or truncated compressed data ({exc})"
        raise InputError(subject, problem, "Download the file again.") from exc


def _write_sparse(out: BinaryIO, block: bytes) -> None:
    for start in range(0, len(block), _HOLE_BYTES):
        piece = block[start : start + _HOLE_BYTES]
        if piece == _ZEROS[: len(piece)]:
            out.seek(len(piece), io.SEEK_CUR)
        else:
            out.write(piece)


class _Begun:
    """A file of which `head` has been read."""

    def __init__(self, head: bytes, file: BinaryIO) -> None:
        self._head = head
        self._file = file

    def read(self, size_bytes: int) -> bytes:
        if not self._head:
            return self._file.read(size_bytes)
        block, self._head = self._head[:size_bytes], self._head[size_bytes:]
        left_bytes = size_bytes - len(block)
        return block + self._file.read(left_bytes) if left_bytes else block


class _Frame(Protocol):
    """One compressed stream; a file may have several, one after the other."""

    @property
    def eof(self) -> bool:
        """Whether its end was reached."""

    def feed(self, packed: bytes, size_bytes: int) -> tuple[bytes, bytes]:
        """Return up to so many bytes decompressed, if it can be limited, and the unread rest."""


class _Gzip:
    def __init__(self) -> None:
        self._member = zlib.decompressobj(_GZIP_WINDOW)

    @property
    def eof(self) -> bool:
        return self._member.eof

    def feed(self, packed: bytes, size_bytes: int) -> tuple[bytes, bytes]:
        plain = self._member.decompress(packed, size_bytes)
        return plain, self._member.unused_data or self._member.unconsumed_tail


class _Xz:
    def __init__(self) -> None:
        self._stream = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_MAX_MEMORY_BYTES)

    @property
    def eof(self) -> bool:
        return self._stream.eof

    def feed(self, packed: bytes, size_bytes: int) -> tuple[bytes, bytes]:
        return self._stream.decompress(packed, size_bytes), self._stream.unused_data


class _Zstd:
    def __init__(self) -> None:
        self._frame = zstandard.ZstdDecompressor().decompressobj()

    @property
    def eof(self) -> bool:
        return self._frame.eof

    def feed(self, packed: bytes, size_bytes: int) -> tuple[bytes, bytes]:
        return self._frame.decompress(packed), self._frame.unused_data if self.eof else b""


_FRAMES: dict[Compression, tuple[Callable[[], _Frame], int]] = {
    Compression.GZIP: (_Gzip, _PIECE_BYTES),
    Compression.XZ: (_Xz, _PIECE_BYTES),
    Compression.ZSTD: (_Zstd, _ZSTD_PIECE_BYTES),
}
"""The decompressor of each compression, and how many bytes it gets at a time."""


class _Frames(io.RawIOBase):
    """Reads all frames of a file. Zeros may follow a frame, as padding; nothing else may."""

    def __init__(self, file: _Begun, make: Callable[[], _Frame], piece_bytes: int) -> None:
        self._file = file
        self._make = make
        self._piece_bytes = piece_bytes
        self._frame = make()
        self._packed = b""
        self._plain = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        while not self._plain:
            if self._frame.eof and not self._begin_next():
                return 0
            plain, self._packed = self._frame.feed(self._packed, len(buffer))
            self._plain = memoryview(plain)
            if not plain and not self._packed and not self._frame.eof:
                self._packed = self._file.read(self._piece_bytes)
                if not self._packed:
                    raise EOFError("no end-of-stream marker before the end of the file")
        count = min(len(buffer), len(self._plain))
        buffer[:count] = self._plain[:count]
        self._plain = self._plain[count:]
        return count

    def _begin_next(self) -> bool:
        """Begin the next frame, and return whether there is one."""
        while not (packed := self._packed.lstrip(b"\0")):
            self._packed = self._file.read(self._piece_bytes)
            if not self._packed:
                return False
        self._packed = packed
        self._frame = self._make()
        return True
