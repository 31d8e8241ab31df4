from __future__ import annotations

import gzip
import io
import lzma
import os
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard
from images_fakes import deadline
from machine_fakes import FakeClock

from harness.images.acquire.compression import Compression, compression_of, decompress
from harness.model.clock import Deadline
from harness.model.errors import DeadlineError, InputError

DISK = os.urandom(70_000) + bytes(1_000_000) + os.urandom(70_000) + bytes(100_000)
PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": lambda data: gzip.compress(data, 1),
    "xz": lambda data: lzma.compress(data, preset=0),
    "zstd": zstandard.compress,
}


@pytest.fixture(params=PACKERS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def unpacked(folder: Path, packed: bytes) -> Path:
    (folder / "packed").write_bytes(packed)
    decompress(folder / "packed", folder / "plain", "disk.x", deadline())
    return folder / "plain"


def test_compression_is_detected_by_content(kind: str) -> None:
    assert compression_of(io.BytesIO(PACKERS[kind](b"x"))) == Compression(kind)
    assert compression_of(io.BytesIO(b"QFI\xfb")) is None


def test_content_comes_back_with_holes_for_zeros(kind: str, tmp_path: Path) -> None:
    plain = unpacked(tmp_path, PACKERS[kind](DISK))

    assert plain.read_bytes() == DISK
    assert plain.stat().st_blocks * 512 < 600_000


def test_several_streams_in_one_file_are_read_to_the_last(kind: str, tmp_path: Path) -> None:
    pack = PACKERS[kind]

    assert unpacked(tmp_path, pack(DISK) + pack(b"tail")).read_bytes() == DISK + b"tail"


def test_padding_with_zeros_is_accepted_at_the_end(tmp_path: Path) -> None:
    assert unpacked(tmp_path, PACKERS["xz"](DISK) + bytes(8)).read_bytes() == DISK
    assert unpacked(tmp_path, PACKERS["gzip"](DISK) + bytes(70_000)).read_bytes() == DISK


def test_anything_else_after_the_end_is_refused(kind: str, tmp_path: Path) -> None:
    for garbage in (b"garbage", bytes(99_999) + b"garbage", PACKERS[kind](DISK)[:9]):
        with pytest.raises(InputError, match="damaged or truncated compressed data"):
            unpacked(tmp_path, PACKERS[kind](DISK) + garbage)


def test_xz_that_needs_gigabytes_of_memory_is_refused(tmp_path: Path) -> None:
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 0}]
    packed = bytearray(lzma.compress(DISK, filters=filters))
    # The dictionary of 4 GiB less a byte, and the sum of the header. Source: xz-file-format 5.3.1
    size = (packed[12] + 1) * 4
    at = packed.index(b"\x21\x01", 12) + 2
    packed[at] = 40
    packed[12 + size - 4 : 12 + size] = zlib.crc32(packed[12 : 12 + size - 4]).to_bytes(4, "little")

    with pytest.raises(InputError, match="Memory usage limit exceeded"):
        unpacked(tmp_path, bytes(packed))


@pytest.mark.parametrize("cut", [1, 5, 60_000])
def test_a_truncated_file_is_refused(kind: str, cut: int, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="damaged or truncated compressed data"):
        unpacked(tmp_path, PACKERS[kind](DISK)[:-cut])


def test_a_damaged_file_is_refused(kind: str, tmp_path: Path) -> None:
    packed = bytearray(PACKERS[kind](DISK))
    packed[-12:] = b"damaged here"

    with pytest.raises(InputError, match="damaged"):
        unpacked(tmp_path, bytes(packed))


def test_the_deadline_ends_it(tmp_path: Path) -> None:
    (tmp_path / "packed").write_bytes(gzip.compress(DISK, 1))
    over = Deadline(limit_s=5, ends_at=0, clock=FakeClock())

    with pytest.raises(DeadlineError, match=r"decompressing .*timed out"):
        decompress(tmp_path / "packed", tmp_path / "plain", "disk.x", over)
