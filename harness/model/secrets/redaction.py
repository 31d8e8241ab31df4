"""Removes secrets from all that a run shows or keeps.

They are found by value, in each form in which logs write them, and by the patterns in `signs`.
Neither finds everything. Not found are:

- unknown secrets without a sign, such as a password alone on a line;
- known ones that are compressed, encrypted, hashed, shorter than six characters, ordinary words or
  short numbers, split, wrapped over lines, or written as numbers (as the journal does with bytes
  that are not text);
- the rest of a value after a quote that its log did not escape;
- lines of an unknown private key without a BEGIN line, or more than a hundred lines after it.

So read evidence before you publish it.
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
from harness.model.secret import Secret
from harness.model.secrets import kinds
from harness.model.secrets.known import KnownSecrets, parts_of
from harness.model.secrets.signs import KEY_BEGIN, KEY_END, LOGIN_IN_URL, SECRET_NAME, SIGNS

REMOVED = "[removed]"
"""The replacement of a secret."""

_KEY_LINES = 100
_HELD_LIMIT = 1 << 20
_OPENED_LIMIT = 16 << 20
# Alone in its line or its string; what else follows in the line is not part of the key.
_KEY_LINE = re.compile(
    KEY_BEGIN + r'(?:\x1b\[[0-9;]*[A-Za-z]|\\++[nr]?|[^\w"\\\n])*+(?:["\n]|$)', re.MULTILINE
)
_KEY_END = re.compile(KEY_END)
_MESSAGE = re.compile(r'("MESSAGE"\s*:\s*)"(?:[^"\\]|\\.)*+"')
_LINE = re.compile(r"[^\n]*\n|[^\n]+")

# A config without its secrets stays valid for `ignition-validate` and other readers: fields keep
# their types, URLs can be parsed, and a script becomes a comment, not a call.
_REMOVED_SOURCE = f"data:,{quote(f'#{REMOVED}')}"
_URL_OF_NO_LOGIN = re.compile(rf"([a-z][a-z0-9+.-]*://){re.escape(REMOVED)}(@\S*)", re.IGNORECASE)

_READABLE_BY_OTHERS = 0o004
_HIDDEN_FIELDS = {"passwordHash", "sshAuthorizedKeys", "keyFile", "httpHeaders", "clevis"}
_CONTENTS = {"contents", "append"}


class Redactor:
    """Returns text with `REMOVED` in place of every secret.

    The text has any number of whole lines; a `LineRedactor` takes a stream in pieces.
    """

    def __init__(self) -> None:
        self._known = KnownSecrets()

    def add(self, secret: Secret | str) -> None:
        """Remove `secret` by value from now on, and its parts, if they have six characters.

        The parts of an authfile are its logins, of private keys their lines.
        """
        text = secret.reveal() if isinstance(secret, Secret) else secret
        self._known.add(parts_of(text))

    def __call__(self, text: str) -> str:
        """Return `text` without secrets."""
        if "\n" in text and _KEY_LINE.search(text):
            lines = LineRedactor(self)
            return lines.feed(self._known.replaced(text, REMOVED)) + lines.finish()
        return self.within_lines(text)

    def within_lines(self, text: str) -> str:
        """Return `text` without secrets, except private keys that span lines."""
        text = self._known.replaced(text, REMOVED)
        for sign in SIGNS:
            text = sign.sub(_emptied, text)
        return text

    def value(self, value: Json) -> Json:
        """Return JSON-like data without secrets in its strings, or in fields with secret names.

        A private key may be a list of its lines, as strings or as fields of one name. Tuples become
        lists.
        """
        if isinstance(value, str):
            return self(value)
        if isinstance(value, Mapping):
            return self._fields(value, {})
        if isinstance(value, list | tuple):
            columns: dict[str, LineRedactor] = {}
            return [self._item(item, columns) for item in value]
        return value

    def _item(self, item: Json, columns: dict[str, LineRedactor]) -> Json:
        if isinstance(item, Mapping):
            return self._fields(item, columns)
        if isinstance(item, str):
            return columns.setdefault("", LineRedactor(self))(item)
        return self.value(item)

    def _fields(self, fields: Mapping[str, Json], columns: dict[str, LineRedactor]) -> Json:
        clean: dict[str, Json] = {}
        for name, item in fields.items():
            if not isinstance(item, str):
                clean[name] = self.value(item)
            elif item and SECRET_NAME.fullmatch(name):
                clean[name] = REMOVED
            else:
                clean[name] = columns.setdefault(name, LineRedactor(self))(item)
        return clean

    def config(self, document: Document) -> Document:
        """Return an Ignition config without secrets; a file with one loses its contents."""
        clean = self._without(without_secrets(document))
        return clean if isinstance(clean, dict) else {}

    def _without(self, value: Json) -> Json:
        if isinstance(value, dict):
            if self._is_secret(value.get("source"), is_packed=_is_packed(value)):
                return {"source": _REMOVED_SOURCE}
            return {name: self._without(item) for name, item in value.items()}
        if isinstance(value, list):
            return [self._without(item) for item in value]
        if not isinstance(value, str):
            return value
        if self._is_secret(value):
            return _REMOVED_SOURCE
        return value if value.startswith("data:") else _parsable(self(value))

    def _is_secret(self, value: Json, *, is_packed: bool = False) -> bool:
        """Return whether this is a data URL with a secret."""
        if not isinstance(value, str) or not value.startswith("data:"):
            return False
        contents = _decoded(value, is_packed=is_packed)
        return kinds.is_confidential(contents) or self(contents) != contents


class LineRedactor:
    """Removes secrets from a stream of lines, private keys that span lines included.

    It removes a key from its BEGIN line to its END, but at most a hundred lines: a BEGIN may lack
    its END. Of a journal entry in JSON it removes only the message.
    """

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor
        self._left = 0
        self._held = ""

    def __call__(self, lines: str) -> str:
        """Return whole lines without secrets; the last one may lack its end."""
        if not self._left and not _KEY_LINE.search(lines):
            return self._redactor.within_lines(lines)
        return "".join(map(self._line, _LINE.findall(lines)))

    def feed(self, text: str) -> str:
        """Return the lines that `text` completes; an incomplete one waits for its end.

        A line of more than a mebibyte does not wait.
        """
        whole, newline, rest = (self._held + text).rpartition("\n")
        if len(rest) > _HELD_LIMIT:
            whole, newline, rest = whole + newline + rest, "", ""
        self._held = rest
        return self(whole + newline)

    def finish(self) -> str:
        """Return the incomplete line."""
        rest, self._held = self._held, ""
        return self(rest)

    def _line(self, line: str) -> str:
        if _KEY_LINE.search(line):
            self._left = _KEY_LINES
        elif self._left:
            self._left = 0 if _KEY_END.search(line) else self._left - 1
            return _without_message(line)
        return self._redactor.within_lines(line)


def without_secrets(document: Document) -> Document:
    """Return an Ignition config without private contents and without logins.

    This needs no known secrets; `Redactor.config` removes those, too.
    """
    clean = _clean(document)
    return clean if isinstance(clean, dict) else {}


def secrets_in(document: Document) -> Iterator[str]:
    """Yield the private contents of an Ignition config, for `Redactor.add`."""
    yield from _secrets_in(document, is_hidden=False)


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
        return value if is_data else _parsable(LOGIN_IN_URL.sub(_emptied, value))
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


def _emptied(found: re.Match[str]) -> str:
    """Return a match with its last group replaced by `REMOVED`, or all of it without a group."""
    begin, end = found.span(found.lastindex or 0)
    text, start = found[0], found.start()
    return f"{text[: begin - start]}{REMOVED}{text[end - start :]}"


def _without_message(line: str) -> str:
    """Return the replacement of a line in a private key: a journal entry loses its message."""
    if line.startswith("{"):
        entry, count = _MESSAGE.subn(rf'\1"{REMOVED}"', line)
        if count:
            return entry
    return REMOVED + line[len(line.rstrip("\r\n")) :]
