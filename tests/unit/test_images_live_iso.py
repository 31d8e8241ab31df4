"""Where a live ISO keeps an Ignition config, on images of a few sectors made here."""

from __future__ import annotations

import io
import json
import lzma
import os
import struct
from pathlib import Path

import pytest

from harness.images import cpio
from harness.images.live_iso import (
    Area,
    extract,
    ignition_area,
    mark_ignition_area,
    pack,
    require_live_iso,
    with_ignition,
)
from harness.model.errors import InputError, RigError

SECTOR = 2048
AREA_SECTOR, AREA_BYTES = 24, 1024


def record(name: bytes, sector: int, size: int) -> bytes:
    head = struct.pack("<BxI4xI4x", 0, sector, size)
    body = head + bytes(14) + bytes([len(name)]) + name
    padded = body + bytes(len(body) % 2)
    return bytes([len(padded)]) + padded[1:]


def iso(info: object, header: bool = False, legacy_only: bool = False) -> bytes:
    """Return an ISO with the folders COREOS and IMAGES, each in a sector of its own."""
    image = bytearray(SECTOR * (AREA_SECTOR + 1))
    text = json.dumps(info or {}).encode()
    image[16 * SECTOR : 16 * SECTOR + 6] = b"\1CD001"
    root = record(b"\0", 20, SECTOR)
    image[16 * SECTOR + 156 : 16 * SECTOR + 156 + len(root)] = root
    tops = b"" if info is None else record(b"COREOS", 21, SECTOR)
    tops += b"" if legacy_only else record(b"images", 22, SECTOR)
    for sector, contents in (
        (20, root + tops), (21, record(b"IGNINFO.JSO;1", 23, len(text))),
        (22, record(b"IGNITION.IMG;1", AREA_SECTOR, AREA_BYTES)), (23, text),
    ):  # fmt: skip
        image[sector * SECTOR : sector * SECTOR + len(contents)] = contents
    if header:
        image[32744:32768] = b"coreiso+" + struct.pack("<QQ", AREA_SECTOR * SECTOR, AREA_BYTES)
    return bytes(image)


def resized(sector: int, size: int) -> bytes:
    """Return an ISO of which the folder or file at `sector` has another size in its records."""
    extent = struct.pack("<I4xI", sector, 0)[:8]
    image = bytearray(iso({}))
    at = -1
    while (at := image.find(extent, at + 1)) >= 0:
        image[at + 8 : at + 12] = struct.pack("<I", size)
    return bytes(image)


@pytest.mark.parametrize(
    ("image", "area"),
    [
        (iso({"file": "images/ignition.img"}), Area(offset=AREA_SECTOR * SECTOR, size=AREA_BYTES)),
        (iso({}), Area(offset=AREA_SECTOR * SECTOR, size=AREA_BYTES)),
        (
            iso({"file": "images/ignition.img", "offset": 64, "length": 128}),
            Area(offset=AREA_SECTOR * SECTOR + 64, size=128),
        ),
        (
            iso({"file": "images/ignition.img", "offset": 64}),
            Area(offset=AREA_SECTOR * SECTOR + 64, size=AREA_BYTES - 64),
        ),
        (
            iso(None, header=True, legacy_only=True),
            Area(offset=AREA_SECTOR * SECTOR, size=AREA_BYTES),
        ),
    ],
    ids=["file", "default name", "part of a file", "rest of a file", "header of older ISOs"],
)
def test_area_is_found_by_info_and_by_header(image: bytes, area: Area) -> None:
    assert ignition_area(io.BytesIO(image), Path("x.iso")) == area


@pytest.mark.parametrize(
    ("image", "problem"),
    [
        (iso(None), "no area for an Ignition config"),
        (iso({"file": "images/none.img"}), r"the missing file images/none.img"),
        (iso({"file": "images/ignition.img", "length": 1 << 30}), "beyond the end"),
        (bytes(40000), "no volume descriptor"),
        (b"short", "no volume descriptor"),
        (iso({"offset": None}), "has offset None, not a number of bytes"),
        (iso({"length": -1}), "has length -1, not a number of bytes"),
        (iso({"length": True}), "has length True, not a number of bytes"),
        (iso([1]), "igninfo.json is not an object"),
        (iso({"offset": AREA_BYTES - 9, "length": 10}), "names bytes beyond the end of"),
        (iso({"offset": AREA_BYTES + 1}), "has length -1, not a number of bytes"),
        (iso({"file": "coreos/" * 40}), "a path of 41 names"),
        (resized(20, 0xFFFFFFFF), "a folder or igninfo.json of 4294967295 bytes"),
        (resized(23, 0xFFFFFFFF), "a folder or igninfo.json of 4294967295 bytes"),
        (resized(AREA_SECTOR, 0xFFFFFFFF), "an implausible area of 4294967295 bytes"),
        (resized(AREA_SECTOR, 1 << 20), "is beyond the end of the file"),
    ],
    ids=[
        "no area", "no such file", "past the end", "zeros", "short", "null", "negative", "boolean",
        "list", "past the file", "after the file", "deep", "4 GiB folder", "4 GiB info",
        "4 GiB area", "area past the end",
    ],
)  # fmt: skip
def test_what_has_no_area_is_refused_by_name(image: bytes, problem: str) -> None:
    with pytest.raises(InputError, match=problem) as refused:
        ignition_area(io.BytesIO(image), Path("x.iso"))

    assert "x.iso" in str(refused.value)


def test_iso_is_checked_before_it_is_copied(tmp_path: Path) -> None:
    image = tmp_path / "a.iso"
    with pytest.raises(InputError, match=r"a\.iso: cannot be read: No such file"):
        require_live_iso(image)

    image.write_bytes(iso({}))
    require_live_iso(image)
    with pytest.raises(RigError, match="cannot be copied"):
        with_ignition(image, "{}", tmp_path)


def test_fifo_and_device_are_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.iso")

    for image in (tmp_path / "a.iso", Path("/dev/zero"), tmp_path):
        for read in (
            require_live_iso,
            lambda image: extract(image, "images/ignition.img", tmp_path / "copy"),
            lambda image: with_ignition(image, "{}", tmp_path / "copy"),
        ):
            with pytest.raises(InputError, match="not a regular file"):
                read(image)


def test_size_in_the_header_of_older_isos_is_plausible() -> None:
    image = bytearray(iso(None, header=True, legacy_only=True))
    for offset, size in ((0, 1 << 40), (1 << 63, 1), ((1 << 64) - 1, 1), (0, (1 << 64) - 1)):
        image[32744:32768] = b"coreiso+" + struct.pack("<QQ", offset, size)

        with pytest.raises(InputError, match=r"x\.iso"):
            ignition_area(io.BytesIO(bytes(image)), Path("x.iso"))


def test_iso_that_ends_within_a_file_is_refused(tmp_path: Path) -> None:
    image = tmp_path / "a.iso"
    image.write_bytes(iso({})[:-1948])

    with pytest.raises(InputError, match=r"truncated within images/ignition\.img"):
        extract(image, "images/ignition.img", tmp_path / "copy")


def test_config_is_embedded_in_a_private_copy(tmp_path: Path) -> None:
    original = tmp_path / "a.iso"
    before = iso({"file": "images/ignition.img"})
    original.write_bytes(before)

    target = with_ignition(original, '{"ignition": {}}', tmp_path / "b.iso")

    assert target.stat().st_mode & 0o777 == 0o600
    assert original.read_bytes() == before
    after = target.read_bytes()
    start = AREA_SECTOR * SECTOR
    assert (after[:start], after[start + AREA_BYTES :]) == (
        before[:start], before[start + AREA_BYTES :],
    )  # fmt: skip
    embedded = lzma.LZMADecompressor().decompress(after[start : start + AREA_BYTES])
    assert embedded == cpio.archive([("config.ign", b'{"ignition": {}}')])


def test_earlier_config_is_replaced_whole(tmp_path: Path) -> None:
    original = tmp_path / "a.iso"
    original.write_bytes(iso({"file": "images/ignition.img"}))
    noise = "".join(chr(33 + n * n % 89) for n in range(300))
    first = with_ignition(original, noise, tmp_path / "b.iso")

    second = with_ignition(first, "{}", tmp_path / "c.iso").read_bytes()

    area = second[AREA_SECTOR * SECTOR :][:AREA_BYTES]
    assert area == pack("{}").ljust(AREA_BYTES, b"\0")


def test_config_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    original = tmp_path / "a.iso"
    original.write_bytes(iso({"file": "images/ignition.img", "length": 64}))

    with pytest.raises(InputError, match=r"no space for the config: \d+ bytes compressed, 64"):
        with_ignition(original, "{}", tmp_path / "b.iso")

    assert not (tmp_path / "b.iso").exists()


def test_marked_iso_is_understood_by_older_tools(tmp_path: Path) -> None:
    image = tmp_path / "a.iso"
    image.write_bytes(iso({"file": "images/ignition.img"}))

    mark_ignition_area(image)

    expected = struct.pack("<8sQQ", b"coreiso+", AREA_SECTOR * SECTOR, AREA_BYTES)
    assert image.read_bytes()[32744:32768] == expected


def test_packed_config_can_be_followed_by_another_archive() -> None:
    assert [len(pack("x" * n)) % 4 for n in range(5)] == [0] * 5


def test_archive_has_newc_headers_and_alignment() -> None:
    made = cpio.archive([("etc/a", b"12345"), ("b", b"")])

    assert made[:6] == b"070701"
    assert int(made[54:62], 16) == len(b"12345")
    assert int(made[94:102], 16) == len("etc/a") + 1
    assert made[110:116] == b"etc/a\0"
    assert made[116:124] == b"12345\0\0\0"
    assert made.endswith(cpio.trailer())
    assert len(made) % 4 == 0


def test_first_member_named_root_squashfs_begins_where_the_initramfs_mounts_it(
    tmp_path: Path,
) -> None:
    source = tmp_path / "s"
    source.write_bytes(b"hsqs!")
    stream = io.BytesIO()

    cpio.write_file(stream, "root.squashfs", source)

    assert stream.getvalue()[124:] == b"hsqs!\0\0\0"
