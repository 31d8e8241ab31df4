"""Removes secrets from Ignition configs, and finds what has to be known by value.

A config without its secrets stays valid for `ignition-validate` and other readers: fields keep
their types, URLs can be parsed, and a script becomes a comment, not a call.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from urllib.parse import quote, unquote, unquote_to_bytes

from harness.model.foreign import json_value
from harness.model.ignition.document import Document, Json
from harness.model.secrets import kinds, opened
from harness.model.secrets.redaction import REMOVED, Redactor, emptied
from harness.model.secrets.signs import LOGIN_IN_URL

_REMOVED_SOURCE = f"data:,{quote(f'#{REMOVED}')}"
_URL_OF_NO_LOGIN = re.compile(rf"([a-z][a-z0-9+.-]*://){re.escape(REMOVED)}(@\S*)", re.IGNORECASE)

_READABLE_BY_OTHERS = 0o004
_MOST_CACHED = 256
_MOST_CACHED_CHARS = 1 << 16
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
    return value if _is_data(value) else _parsable(_without_in_text(value, redactor))


def _without_in_text(text: str, redactor: Redactor) -> str:
    clean = redactor(text)
    return opened.without_encoded(clean, lambda inner: redactor(inner) != inner, REMOVED)


def _is_secret(value: Json, redactor: Redactor, *, is_packed: bool = False) -> bool:
    """Return whether this is a data URL with a secret, or with data that cannot be opened."""
    if not isinstance(value, str) or not _is_data(value):
        return False
    texts = _texts(value, is_packed=is_packed)
    return texts is None or any(
        kinds.is_confidential(text) or redactor(text) != text for text in texts
    )


def _is_data(text: str) -> bool:
    return text[:5].lower() == "data:"


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
                yield from _secrets_in_data(item, is_packed=True, is_hidden=is_hidden)
            else:
                yield from _secrets_in(item, is_hidden=is_hidden or name in hidden)
    elif isinstance(value, str):
        yield from _secrets_in_text(value, is_hidden=is_hidden)


def _secrets_in_text(text: str, *, is_hidden: bool) -> Iterator[str]:
    if _is_data(text):
        yield from _secrets_in_data(text, is_packed=False, is_hidden=is_hidden)
        return
    for login in LOGIN_IN_URL.findall(text):
        yield login
        yield unquote(login.partition(":")[2])


def _secrets_in_data(data_url: str, *, is_packed: bool, is_hidden: bool) -> Iterator[str]:
    texts = _texts(data_url, is_packed=is_packed) or ()
    if is_hidden:
        yield texts[0] if texts else data_url.partition(",")[2]
    for text in texts:
        if kinds.is_confidential(text):
            yield from kinds.values_of(text)
        yield from _secrets_in(_config_in(text), is_hidden=False)


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
        return value if _is_data(value) else _parsable(LOGIN_IN_URL.sub(emptied, value))
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
    redactor = Redactor()
    return isinstance(path, str) and all(
        found and kinds.is_plain(path, found[0]) and all(redactor(text) == text for text in found)
        for found in texts
    )


def _contents(resource: Json) -> tuple[str, ...] | None:
    """Return the texts in a file's contents; None if they are not in a data URL."""
    source = resource.get("source") if isinstance(resource, dict) else None
    if not isinstance(source, str) or not _is_data(source):
        return None
    return _texts(source, is_packed=_is_packed(resource))


def _is_packed(resource: Json) -> bool:
    return isinstance(resource, dict) and bool(resource.get("compression"))


def _texts(data_url: str, *, is_packed: bool) -> tuple[str, ...] | None:
    """Return the texts in a data URL (RFC 2397): its own, then those that are encoded in it.

    The first is as the URL has it if it is not text. None if something packed cannot be opened.
    """
    # A config is read three times: for its secrets, for signs of others, and for known ones.
    is_small = len(data_url) <= _MOST_CACHED_CHARS
    return (_opened if is_small else _opened.__wrapped__)(data_url, is_packed)


@lru_cache(_MOST_CACHED)
def _opened(data_url: str, is_packed: bool) -> tuple[str, ...] | None:
    head, _, body = data_url.partition(",")
    raw = unquote_to_bytes(body)
    try:
        data = base64.b64decode(raw) if head.lower().endswith(";base64") else raw
        first, *inner = opened.texts_in(data)
        if is_packed and opened.unpacked(data) is None:
            return None
    except binascii.Error:
        return (body,)
    except opened.UnreadableError:
        return None
    return (first, *inner) if _is_text(data) else (body, first, *inner)


def _is_text(data: bytes) -> bool:
    return opened.unpacked(data) is not None or opened.text_of(data) is not None
