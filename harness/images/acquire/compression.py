"""Compressed files: gzip, xz and zstd, detected by their first bytes and not by their names."""

from __future__ import annotations

import gzip
import io
import lzma
import zlib
from enum import StrEnum
from pathlib import Path
from typing import IO, BinaryIO, cast

import zstandard

from harness.images.acquire.progress import Reporter, transfer_progress
from harness.model.clock import Deadline
from harness.model.errors import DeadlineError, InputError

# Small pieces bound the memory: a zstd block of 4 bytes can stand for 128 KiB of zeros.
_ZSTD_PIECE_BYTES = 4096
_READ_BYTES = 1 << 20
_HOLE_BYTES = 1 << 16
_ZEROS = bytes(_HOLE_BYTES)

DAMAGE = (EOFError, zlib.error, gzip.BadGzipFile, lzma.LZMAError, zstandard.ZstdError)
"""What reading a damaged or truncated stream raises."""


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


def compression_of(file: BinaryIO) -> Compression | None:
    """Return the compression of `file`, None for a plain one; rewinds it."""
    file.seek(0)
    head = file.read(max(map(len, _MAGIC.values())))
    file.seek(0)
    return next((kind for kind, magic in _MAGIC.items() if head.startswith(magic)), None)


def opened(file: BinaryIO) -> IO[bytes]:
    """Return `file` decompressed, or itself when it is plain; reading raises one of `DAMAGE`."""
    match compression_of(file):
        case Compression.GZIP:
            return cast("IO[bytes]", gzip.GzipFile(fileobj=file))
        case Compression.XZ:
            return lzma.LZMAFile(file)
        case Compression.ZSTD:
            return io.BufferedReader(_ZstdFile(file))
        case None:
            return file


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


class _ZstdFile(io.RawIOBase):
    """Reads every frame of a zstd file. python-zstandard's own readers accept a truncated one."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._frame = _new_frame()
        self._plain = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        while not self._plain:
            packed = self._frame.unused_data if self._frame.eof else b""
            packed = packed or self._file.read(_ZSTD_PIECE_BYTES)
            if not packed:
                return self._end()
            if self._frame.eof:
                self._frame = _new_frame()
            self._plain = memoryview(self._frame.decompress(packed))
        count = min(len(buffer), len(self._plain))
        buffer[:count] = self._plain[:count]
        self._plain = self._plain[count:]
        return count

    def _end(self) -> int:
        if not self._frame.eof:
            raise EOFError("the last zstd frame has no end")
        return 0


def _new_frame() -> zstandard.ZstdDecompressionObj:
    return zstandard.ZstdDecompressor().decompressobj()
