"""The texts that data contains once it is decompressed and decoded, as often as it takes.

Only `config` uses it. What looks compressed and cannot be opened is an error, because a secret in
it would stay.
"""

from __future__ import annotations

import binascii
import bz2
import codecs
import lzma
import re
import zlib
from collections.abc import Callable, Iterator
from typing import Protocol
from urllib.parse import unquote_to_bytes

_LIMIT_BYTES = 16 << 20
"""More than any file of a config has, opened."""
_DEPTH = 6
_XZ_MEMORY_BYTES = 128 << 20
_RUN = re.compile(r"[A-Za-z0-9+/_-]{16,}+={0,2}")
# It begins with the newline, so that the search skips to one; a look behind would be tried
# everywhere.
_WRAP = re.compile(
    r"(?:\n(?<=[A-Za-z0-9+/_-]{60}\n)|\r\n(?<=[A-Za-z0-9+/_-]{60}\r\n))"
    r"[ \t]*(?=[A-Za-z0-9+/_=-])"
)
_PERCENT = re.compile(r"%[0-9A-Fa-f]{2}")
_FOR_URLS = bytes.maketrans(b"-_", b"+/")
_WIDE = ((codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
_WIDE_MARKS = tuple(mark for mark, _ in _WIDE)
_NO_CONTROL = re.compile(r"[^\x00-\x08\x0e-\x1a\x1c-\x1f\x7f\ufffd]*+")


class UnreadableError(ValueError):
    """Data is compressed, but broken, too large, nested too deeply or of an unknown kind."""


class _Opener(Protocol):
    """One of Python's decompressors, for one member of packed data."""

    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


_KINDS: dict[bytes, Callable[[], _Opener] | None] = {
    b"\x1f\x8b": lambda: zlib.decompressobj(wbits=31),
    b"\xfd7zXZ\0": lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, _XZ_MEMORY_BYTES),
    b"]\0\0": lambda: lzma.LZMADecompressor(lzma.FORMAT_ALONE, _XZ_MEMORY_BYTES),
    b"BZh": bz2.BZ2Decompressor,
    # Known by their first bytes, and not opened: zstd, lz4, zip, 7z.
    b"\x28\xb5\x2f\xfd": None,
    b"\x04\x22\x4d\x18": None,
    b"PK\x03\x04": None,
    b"7z\xbc\xaf\x27\x1c": None,
}
_BEGINNINGS = tuple(_KINDS)


def unpacked(data: bytes) -> bytes | None:
    """Return decompressed data, None if it does not look compressed.

    Raises:
        UnreadableError: see there.
    """
    if not data.startswith(_BEGINNINGS):
        return None
    opener = next(opener for begin, opener in _KINDS.items() if data.startswith(begin))
    if opener is None:
        raise UnreadableError("packed in a way that is not opened")
    pieces, left = [], _LIMIT_BYTES
    while data.strip(b"\0"):
        member = opener()
        try:
            piece = member.decompress(data, left)
        except (zlib.error, lzma.LZMAError, OSError, EOFError, ValueError) as exc:
            raise UnreadableError(str(exc)) from exc
        left -= len(piece)
        if not member.eof or left <= 0:
            raise UnreadableError("cut off, or too large")
        pieces.append(piece)
        data = member.unused_data
    return b"".join(pieces)


def texts_in(data: bytes) -> Iterator[str]:
    """Yield the text of `data` first, then every text that is encoded or compressed in it.

    Raises:
        UnreadableError: see there.
    """
    todo, left = [(data, 0)], _LIMIT_BYTES
    while todo:
        inner, depth = todo.pop()
        left -= len(inner)
        if depth > _DEPTH or left < 0:
            raise UnreadableError("nested too deeply, or too large")
        plain = unpacked(inner)
        if plain is None:
            text = text_of(inner) or inner.decode("latin-1")
            yield text
            todo += [(found, depth + 1) for found in _encoded_in(text)]
        else:
            todo.append((plain, depth + 1))


def without_encoded(text: str, is_secret: Callable[[str], bool], replacement: str) -> str:
    """Return `text` with each run of base64 replaced that has a secret or cannot be opened."""

    def replaced(found: re.Match[str]) -> str:
        data = _from_base64(found[0])
        try:
            is_clean = not _is_of_interest(data) or not any(map(is_secret, texts_in(data)))
        except UnreadableError:
            is_clean = False
        return found[0] if is_clean else replacement

    return _RUN.sub(replaced, text)


def text_of(data: bytes) -> str | None:
    """Return text in UTF-8 or UTF-16; None if it is neither."""
    if data.startswith(_WIDE_MARKS) or b"\0" in data:
        for mark, encoding in _WIDE:
            if data.startswith(mark) or _is_wide(data, encoding):
                return data.decode(encoding, errors="replace").removeprefix("\ufeff")
    try:
        return data.decode()
    except UnicodeDecodeError:
        return None


def _is_wide(data: bytes, encoding: str) -> bool:
    """Return whether nearly every second byte is zero, as in the UTF-16 of Latin letters."""
    high = data[1::2] if encoding == "utf-16-le" else data[::2]
    return len(high) > 2 and high.count(0) > len(high) * 0.8


def _encoded_in(text: str) -> Iterator[bytes]:
    """Yield what is in base64 or percent-encoded in a text and looks like text or packed data."""
    if _PERCENT.search(text):
        yield unquote_to_bytes(text)
    for run in _RUN.findall(_WRAP.sub("", text)):
        data = _from_base64(run)
        if _is_of_interest(data):
            yield data


def _from_base64(run: str) -> bytes:
    # Of letters, digits and four signs, so it is ASCII.
    whole = run.encode().rstrip(b"=").translate(_FOR_URLS)
    whole = whole[: len(whole) - (len(whole) % 4 == 1)]
    try:
        return binascii.a2b_base64(whole + b"=" * (-len(whole) % 4))
    except binascii.Error:
        return b""


def _is_of_interest(data: bytes) -> bool:
    if data.startswith(_BEGINNINGS):
        return True
    text = text_of(data)
    return bool(text) and _NO_CONTROL.fullmatch(text or "") is not None
