"""Reads single fields of Ignition documents, whose shape `ignition-validate` checks.

What is missing or of another type counts as empty. Sources: Ignition configuration specification
v3.2.0; RFC 2397 (data URLs).
"""

from __future__ import annotations

import base64
import zlib
from urllib.parse import unquote_to_bytes

from harness.model.ignition import Document, Json

_ANY_GZIP = zlib.MAX_WBITS | 16
_MAX_BYTES = 4 << 20


def objects_of(document: Document, field: str) -> list[Document]:
    """Return the objects in a field's list."""
    value: Json = document.get(field)
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def text_of(document: Document, field: str) -> str:
    """Return the text in a field, or an empty one."""
    value = document.get(field)
    return value if isinstance(value, str) else ""


def decode(source: str, compression: str) -> bytes | None:
    """Return the content of a data URL, decompressed; None if that is over 4 MiB.

    Raises:
        ValueError: it is damaged, or of an unknown compression.
        zlib.error: the compressed data is damaged.
    """
    head, comma, data = source.removeprefix("data:").partition(",")
    if not comma:
        raise ValueError("the data URL has no comma")
    raw = unquote_to_bytes(data)
    if head.endswith(";base64"):
        raw = base64.b64decode(raw, validate=True)
    if not compression:
        return raw if len(raw) <= _MAX_BYTES else None
    if compression != "gzip":
        raise ValueError(f"unknown compression {compression!r}")
    unpacker = zlib.decompressobj(_ANY_GZIP)
    unpacked = unpacker.decompress(raw, _MAX_BYTES + 1)
    if len(unpacked) <= _MAX_BYTES and not unpacker.eof:
        raise ValueError("the compressed data is truncated")
    return unpacked if len(unpacked) <= _MAX_BYTES else None
