"""Finds texts in files, in every encoding that artifacts have. It shares nothing with the redactor.

Each view of some bytes is opened again, up to a depth: base64 inside of gzip inside of a data URL.
"""

from __future__ import annotations

import base64
import binascii
import bz2
import gzip
import html
import lzma
import re
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from urllib.parse import unquote_to_bytes

_DEPTH = 4
_BASE64 = re.compile(rb"[A-Za-z0-9+/_-]{16,}={0,2}")
_HEX = re.compile(rb"(?:[0-9a-fA-F]{2}){8,}")
_ESCAPED = re.compile(rb"\\u00([0-9a-fA-F]{2})|\\([\"'\\/nrt])")
_PLAIN = {b"n": b"\n", b"r": b"\r", b"t": b"\t"}
_BREAKS = re.compile(rb"(?:\\+[nr]|\s)+")
_UNPACK: Mapping[bytes, Callable[[bytes], bytes]] = {
    b"\x1f\x8b": gzip.decompress, b"\xfd7zXZ": lzma.decompress, b"BZh": bz2.decompress,
}  # fmt: skip


def found_in(folder: Path, needles: Mapping[str, str]) -> list[str]:
    """Return which needles are in which files, as `FILE: NAME`."""
    wanted = {name: needle.encode() for name, needle in needles.items()}
    found: set[str] = set()
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            shown = str(path.relative_to(folder))
            names = names_in(path.read_bytes(), wanted) | names_in(shown.encode(), wanted)
            found |= {f"{shown}: {name}" for name in names}
    return sorted(found)


def names_in(data: bytes, wanted: Mapping[str, bytes]) -> set[str]:
    """Return the names of the needles that some view of `data` has."""
    return {name for view in views(data) for name, needle in wanted.items() if needle in view}


def views(data: bytes, depth: int = _DEPTH) -> Iterator[bytes]:
    """Yield `data`, and what it is when it is decoded in any way."""
    yield data
    if not depth:
        return
    seen = {data}
    for inner in _decoded(data):
        if inner and inner not in seen:
            seen.add(inner)
            yield from views(inner, depth - 1)


def _decoded(data: bytes) -> Iterator[bytes]:
    for magic, unpack in _UNPACK.items():
        if data.startswith(magic):
            yield _unpacked(unpack, data)
    yield data.replace(b"\0", b"")  # UTF-16
    if b"%" in data:
        yield unquote_to_bytes(data)
    if b"\\" in data:
        yield _ESCAPED.sub(_unescaped, data)
    if b"&" in data:
        yield html.unescape(data.decode("latin-1")).encode("latin-1", "replace")
    yield from _blobs(data)
    joined = _BREAKS.sub(b"", data)
    if len(data) < 1 << 16:
        yield from _blobs(joined)


def _blobs(data: bytes) -> Iterator[bytes]:
    """Yield what base64 and hexadecimal numbers in `data` have; a blob may begin inside a word."""
    for blob in _BASE64.findall(data):
        for shift in range(4):
            yield _from_base64(blob[shift:])
    for blob in _HEX.findall(data):
        yield binascii.unhexlify(blob)


def _from_base64(blob: bytes) -> bytes:
    bare = blob.rstrip(b"=").translate(bytes.maketrans(b"-_", b"+/"))
    return base64.b64decode(bare[: len(bare) // 4 * 4] + _rest(bare))


def _rest(bare: bytes) -> bytes:
    rest = bare[len(bare) // 4 * 4 :]
    return rest + b"=" * (-len(rest) % 4) if len(rest) > 1 else b""


def _unescaped(found: re.Match[bytes]) -> bytes:
    return bytes([int(found[1], 16)]) if found[1] else _PLAIN.get(found[2], found[2])


def _unpacked(unpack: Callable[[bytes], bytes], data: bytes) -> bytes:
    try:
        return unpack(data)
    except (OSError, EOFError, lzma.LZMAError, zlib.error, ValueError):
        return b""
