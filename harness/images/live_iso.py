"""CoreOS live ISOs: find the place for an Ignition config, and copy an ISO with one in it.

The config is the file `config.ign` of an xz-compressed cpio archive. The archive is in a file of
fixed size in the ISO, which the boot loader passes to the kernel as a second initramfs.
`coreos/igninfo.json` names this file. Older ISOs have its offset in their first 32 KiB.

Source: coreos/coreos-installer src/live/embed.rs; ECMA-119 for the directories.
"""

from __future__ import annotations

import io
import lzma
import shutil
import struct
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from harness import regular_file
from harness.images import cpio
from harness.model.errors import InputError, RigError
from harness.model.foreign import json_value

_SECTOR = 2048
_DESCRIPTOR_AT = 16 * _SECTOR
_ROOT_RECORD_AT = 156
_INFO = "COREOS/IGNINFO.JSO"
_DEFAULT = "IMAGES/IGNITION.IMG"
_HEADER_AT, _MAGIC = 32768 - 24, b"coreiso+"
_COPY_BYTES = 1 << 20
_MAX_READ_BYTES = 1 << 20
"""Of a folder or igninfo.json; those of a live ISO have a few KiB."""
_MAX_AREA_BYTES = 64 << 20  # usual are 256 KiB
_MAX_DEPTH = 8  # ECMA-119 6.8.2.1
_LZMA = [{"id": lzma.FILTER_LZMA2, "dict_size": 1 << 20}]
"""The usual dictionary has 8 MiB; for a config, most of the time would be spent on making it."""
_REMEDY = "Use a CoreOS live ISO."


@dataclass(frozen=True, slots=True, kw_only=True)
class Area:
    """A part of a file, in bytes."""

    offset: int
    size: int


def require_live_iso(iso: Path) -> None:
    """Require that the file at `iso` is a live ISO with room for an Ignition config.

    Raises:
        InputError: it is not such an ISO, or cannot be read.
    """
    with _opened(iso) as stream:
        ignition_area(stream, iso)


def with_ignition(iso: Path, config: str, target: Path) -> Path:
    """Copy a live ISO to `target`, embed the text of an Ignition config there, return `target`.

    Only the user can read the copy, because configs have secrets. An existing config is replaced.

    Raises:
        InputError: not an ISO, no place for a config, or the config is too large for it.
        RigError: it cannot be copied, for example because the disk is full.
    """
    with _opened(iso) as stream:
        area = ignition_area(stream, iso)
    packed = pack(config)
    if len(packed) > area.size:
        problem = f"no space for the config: {len(packed)} bytes compressed, {area.size} available"
        remedy = "Make the config smaller, or merge a part of it by URL."
        raise InputError(str(iso), problem, remedy)
    with _written(iso, target):
        target.touch(mode=0o600)
        shutil.copyfile(iso, target)
        with target.open("r+b") as stream:
            stream.seek(area.offset)
            stream.write(packed.ljust(area.size, b"\0"))
    return target


def extract(iso: Path, path: str, target: Path) -> Path:
    """Copy the file at `path` in an ISO to `target`, and return `target`.

    Raises:
        InputError: not an ISO, the file is missing, or the ISO ends within it.
        RigError: it cannot be copied, for example because the disk is full.
    """
    with _opened(iso) as stream:
        try:
            root = _root(stream)
            area = _find(stream, root, path.upper())
        except (struct.error, IndexError, ValueError) as exc:
            raise InputError(str(iso), f"a damaged ISO image: {exc}", _REMEDY) from exc
        if area is None:
            raise InputError(str(iso), f"no {path} in this image", _REMEDY)
        if area.offset + area.size > stream.seek(0, 2):
            raise InputError(str(iso), f"truncated within {path}", _REMEDY)
        with _written(iso, target), target.open("wb") as copy:
            stream.seek(area.offset)
            left = area.size
            while left and (block := stream.read(min(left, _COPY_BYTES))):
                copy.write(block)
                left -= len(block)
    if left:
        raise InputError(str(iso), f"truncated within {path}", _REMEDY)
    return target


def pack(config: str) -> bytes:
    """Return a config as an initramfs, padded to four bytes, to append to a live system's."""
    archive = cpio.archive([("config.ign", config.encode())])
    # The kernel supports no other check. Source: Documentation/staging/xz.rst of Linux.
    packed = lzma.compress(archive, check=lzma.CHECK_CRC32, filters=_LZMA)
    return packed + bytes(-len(packed) % 4)


def ignition_area(stream: BinaryIO, iso: Path) -> Area:
    """Return the place for a config in the ISO in `stream`; errors call it `iso`.

    Raises:
        InputError: not an ISO, or no such place.
    """
    try:
        found = _area(stream)
    except (struct.error, IndexError, ValueError) as exc:
        raise InputError(str(iso), f"a damaged ISO image: {exc}", _REMEDY) from exc
    if found is None:
        raise InputError(str(iso), "no area for an Ignition config", _REMEDY)
    if found.size > _MAX_AREA_BYTES:
        problem = f"an implausible area of {found.size} bytes for an Ignition config"
        raise InputError(str(iso), problem, _REMEDY)
    if found.offset + found.size > stream.seek(0, 2):
        raise InputError(
            str(iso), "the area for an Ignition config is beyond the end of the file", _REMEDY
        )
    return found


def mark_ignition_area(iso: Path) -> None:
    """Write the offset of `images/ignition.img` into the ISO's first sectors, as in older ISOs.

    Raises:
        InputError: the ISO has no such file.
    """
    with iso.open("r+b") as stream:
        area = ignition_area(stream, iso)
        stream.seek(_HEADER_AT)
        stream.write(_MAGIC + struct.pack("<QQ", area.offset, area.size))


@contextmanager
def _opened(iso: Path) -> Iterator[BinaryIO]:
    try:
        raw = regular_file.open_raw(iso, follows_links=True)
    except OSError as exc:
        raise InputError(str(iso), f"cannot be read: {exc.strerror}", _REMEDY) from exc
    with io.BufferedReader(raw) as stream:
        yield stream


@contextmanager
def _written(iso: Path, target: Path) -> Iterator[None]:
    try:
        yield
    except OSError as exc:
        problem = f"cannot be copied to {target}: {exc.strerror}"
        remedy = "Free disk space, or set TMPDIR to another folder."
        raise RigError(str(iso), problem, remedy) from exc


def _area(stream: BinaryIO) -> Area | None:
    root = _root(stream)
    if (info := _find(stream, root, _INFO)) is not None:
        named = json_value(_read(stream, info))
        if not isinstance(named, dict):
            raise ValueError("igninfo.json is not an object")
        whole = _find(stream, root, str(named.get("file", _DEFAULT)).upper())
        if whole is None:
            raise ValueError(f"igninfo.json names the missing file {named.get('file')}")
        skipped = _bytes(named, "offset", 0)
        size = _bytes(named, "length", whole.size - skipped)
        if skipped + size > whole.size:
            raise ValueError(f"igninfo.json names bytes beyond the end of {named.get('file')}")
        return Area(offset=whole.offset + skipped, size=size)
    magic, offset, size = struct.unpack("<8sQQ", _read(stream, Area(offset=_HEADER_AT, size=24)))
    return Area(offset=offset, size=size) if magic == _MAGIC else None


def _bytes(named: Mapping[str, object], key: str, default: int) -> int:
    found = named.get(key, default)
    if not isinstance(found, int) or isinstance(found, bool) or found < 0:
        raise ValueError(f"igninfo.json has {key} {found!r}, not a number of bytes")
    return found


def _root(stream: BinaryIO) -> Area:
    descriptor = _read(stream, Area(offset=_DESCRIPTOR_AT, size=_SECTOR))
    if descriptor[:6] != b"\1CD001":
        raise ValueError("no volume descriptor")
    return _extent(descriptor[_ROOT_RECORD_AT:])


def _find(stream: BinaryIO, folder: Area, path: str) -> Area | None:
    found, names = folder, path.split("/")
    if len(names) > _MAX_DEPTH:
        raise ValueError(f"a path of {len(names)} names")
    for name in names:
        matching = [area for entry, area in _entries(_read(stream, found)) if entry == name]
        if not matching:
            return None
        found = matching[0]
    return found


def _entries(folder: bytes) -> Iterator[tuple[str, Area]]:
    at = 0
    while at < len(folder):
        length = folder[at]
        if length == 0:  # No record crosses a sector's end.
            at += _SECTOR - at % _SECTOR
            continue
        record = folder[at : at + length]
        name = record[33 : 33 + record[32]].decode("ascii", "replace")
        yield name.partition(";")[0].rstrip(".").upper(), _extent(record)
        at += length


def _extent(record: bytes) -> Area:
    sector, size = struct.unpack_from("<I4xI", record, 2)
    return Area(offset=sector * _SECTOR, size=size)


def _read(stream: BinaryIO, area: Area) -> bytes:
    if area.size > _MAX_READ_BYTES:
        raise ValueError(f"a folder or igninfo.json of {area.size} bytes")
    stream.seek(area.offset)
    return stream.read(area.size)
