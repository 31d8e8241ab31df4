"""Removes secrets from Ignition configs, and finds what has to be known by value.

A config without its secrets stays valid for `ignition-validate` and other readers: fields keep
their types, URLs can be parsed, and a script becomes a comment, not a call.
"""

from __future__ import annotations

import base64
import binascii
import re
import zlib
from collections.abc import Iterator, Mapping
from urllib.parse import quote, unquote, unquote_to_bytes

from harness.model.foreign import json_value
from harness.model.ignition.document import Document, Json
from harness.model.secrets import kinds
from harness.model.secrets.redaction import REMOVED, Redactor, emptied
from harness.model.secrets.signs import LOGIN_IN_URL

_OPENED_LIMIT = 16 << 20
_REMOVED_SOURCE = f"data:,{quote(f'#{REMOVED}')}"
_URL_OF_NO_LOGIN = re.compile(rf"([a-z][a-z0-9+.-]*://){re.escape(REMOVED)}(@\S*)", re.IGNORECASE)

_READABLE_BY_OTHERS = 0o004
_HIDDEN_FIELDS = {"passwordHash", "sshAuthorizedKeys", "keyFile", "httpHeaders", "clevis"}
_CONTENTS = {"contents", "append"}


def redacted(document: Document, redactor: Redactor) -> Document:
    """Return an Ignition config without secrets; a file with one loses its contents."""
    clean = _without(without_secrets(document), redactor)
    return clean if isinstance(clean, dict) else {}


def without_secrets(document: Document) -> Document:
    """Return an Ignition config without private contents and without logins.

    This needs no known secrets; `redacted` removes those, too.
    """
    clean = _clean(document)
    return clean if isinstance(clean, dict) else {}


def secrets_in(document: Document) -> Iterator[str]:
    """Yield the private contents of an Ignition config, for `Redactor.add`."""
    yield from _secrets_in(document, is_hidden=False)


def _without(value: Json, redactor: Redactor) -> Json:
    if isinstance(value, dict):
        if _is_secret(value.get("source"), redactor, is_packed=_is_packed(value)):
            return {"source": _REMOVED_SOURCE}
        return {name: _without(item, redactor) for name, item in value.items()}
    if isinstance(value, list):
        return [_without(item, redactor) for item in value]
    if not isinstance(value, str):
        return value
    if _is_secret(value, redactor):
        return _REMOVED_SOURCE
    return value if value.startswith("data:") else _parsable(redactor(value))


def _is_secret(value: Json, redactor: Redactor, *, is_packed: bool = False) -> bool:
    """Return whether this is a data URL with a secret, or packed data that cannot be read."""
    if not isinstance(value, str) or not value.startswith("data:"):
        return False
    contents = _decoded(value, is_packed=is_packed)
    if is_packed and contents == value.partition(",")[2]:
        return True
    return kinds.is_confidential(contents) or redactor(contents) != contents


def _secrets_in(value: Json, *, is_hidden: bool) -> Iterator[str]:
    if isinstance(value, list):
        for item in value:
            yield from _secrets_in(item, is_hidden=is_hidden)
    elif isinstance(value, dict):
        hidden = _hidden_fields(value)
        for name, item in value.items():
            if isinstance(item, str) and (
                name == "passwordHash" or (is_hidden and name == "value")
            ):
                yield item
            elif isinstance(item, str) and name == "source" and _is_packed(value):
                yield from _secrets_in_contents(_decoded(item, is_packed=True), is_hidden=is_hidden)
            else:
                yield from _secrets_in(item, is_hidden=is_hidden or name in hidden)
    elif isinstance(value, str):
        yield from _secrets_in_text(value, is_hidden=is_hidden)


def _secrets_in_text(text: str, *, is_hidden: bool) -> Iterator[str]:
    if text.startswith("data:"):
        yield from _secrets_in_contents(_decoded(text), is_hidden=is_hidden)
        return
    for login in LOGIN_IN_URL.findall(text):
        yield login
        yield unquote(login.partition(":")[2])


def _secrets_in_contents(contents: str, *, is_hidden: bool) -> Iterator[str]:
    if is_hidden:
        yield contents
    if kinds.is_confidential(contents):
        yield from kinds.values_of(contents)
    yield from _secrets_in(_config_in(contents), is_hidden=False)


def _config_in(text: str) -> Json:
    """Return the config that a file contains, for another machine or a later boot, if any."""
    if not text.lstrip().startswith("{") or '"ignition"' not in text:
        return None
    try:
        found: Json = json_value(text)
    except ValueError:
        return None
    return found


def _clean(value: Json) -> Json:
    if isinstance(value, list):
        return [_clean(item) for item in value]
    if isinstance(value, str):
        is_data = value.startswith("data:")
        return value if is_data else _parsable(LOGIN_IN_URL.sub(emptied, value))
    if not isinstance(value, dict):
        return value
    hidden = _hidden_fields(value)
    return {
        name: _blank(item) if name in hidden else _clean(item) for name, item in value.items()
    } | ({"clevis": {}} if isinstance(value.get("clevis"), dict) else {})


def _blank(value: Json) -> Json:
    """Return the replacement of a secret field; it keeps the type and the names of fields."""
    if isinstance(value, list):
        texts = [REMOVED] if any(isinstance(item, str) for item in value) else []  # keys once each
        return [*texts, *(_blank(item) for item in value if not isinstance(item, str))]
    if isinstance(value, dict):
        # Without compression and verification of the removed contents.
        if "source" in value:
            return {"source": _REMOVED_SOURCE}
        return {name: item if name == "name" else _blank(item) for name, item in value.items()}
    return REMOVED if isinstance(value, str) else value


def _parsable(text: str) -> str:
    """Return `text`; if it is a URL whose login was removed, percent-encode `REMOVED` in it."""
    found = _URL_OF_NO_LOGIN.fullmatch(text)
    return f"{found[1]}{quote(REMOVED)}{found[2]}" if found else text


def _hidden_fields(node: Mapping[str, Json]) -> set[str]:
    mode = node.get("mode")
    is_private = isinstance(mode, int) and not mode & _READABLE_BY_OTHERS
    return _HIDDEN_FIELDS | (_CONTENTS if is_private and not _is_plain(node) else set())


def _is_plain(node: Mapping[str, Json]) -> bool:
    """Return whether a file's contents are all of a plain kind, without a sign of a secret."""
    path, appended = node.get("path"), node.get("append", [])
    pieces = [node.get("contents"), *(appended if isinstance(appended, list) else [None])]
    texts = [_contents(piece) for piece in pieces]
    return isinstance(path, str) and all(
        text is not None and kinds.is_plain(path, text) and Redactor()(text) == text
        for text in texts
    )


def _contents(resource: Json) -> str | None:
    """Return the text of a file's contents; None if they are not in a data URL."""
    source = resource.get("source") if isinstance(resource, dict) else None
    if not isinstance(source, str) or not source.startswith("data:"):
        return None
    return _decoded(source, is_packed=_is_packed(resource))


def _is_packed(resource: Json) -> bool:
    return isinstance(resource, dict) and resource.get("compression") == "gzip"


def _decoded(data_url: str, *, is_packed: bool = False) -> str:
    """Return the text in a data URL (RFC 2397), or its encoded form if it is not text.

    Contents packed by gzip are opened, up to a limit that no file of a config reaches.
    """
    head, _, body = data_url.partition(",")
    try:
        raw = unquote_to_bytes(body)
        plain = base64.b64decode(raw) if head.endswith(";base64") else raw
        return (_opened(plain) if is_packed else plain).decode()
    except (binascii.Error, UnicodeDecodeError, zlib.error):
        return body


def _opened(packed: bytes) -> bytes:
    """Return the decompressed data. Raises `zlib.error` if it is not gzip or exceeds the limit."""
    gzip = zlib.decompressobj(wbits=31)
    opened = gzip.decompress(packed, _OPENED_LIMIT)
    if not gzip.eof:
        raise zlib.error("cut off, or too large")
    return opened
