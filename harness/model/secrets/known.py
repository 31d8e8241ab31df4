"""Secrets known by value: their parts, their forms in logs, and a fast search.

Only `redaction` uses them.
"""

from __future__ import annotations

import base64
import binascii
import html
import json
import re
from collections.abc import Callable, Iterable, Iterator
from urllib.parse import quote, quote_plus

from harness.model.foreign import json_value
from harness.model.secrets.signs import KEY_BEGIN, KEY_END, NO_FRAME, SIGNS, secret_span
from harness.model.secrets.words import any_of

_SHORTEST = 6
_SHORTEST_NUMBER = 16
_SHORTEST_KEY_LINE = 16
# A long secret is known by its pieces. Comparing one costs a piece at most, at each place.
_PIECE = 4096
_LONGEST = 64 * _PIECE
_COLUMNS = (64, 76)
"""Where programs wrap base64. Source: RFC 7468 section 2, base64(1)."""
_AUTH_FIELDS = ("identitytoken", "registrytoken", "password")
_KEY = re.compile(rf"{KEY_BEGIN}((?:[^-]|{NO_FRAME})*+){KEY_END}")
# Weak passwords that are ordinary words: taking them out would spoil every log.
_ORDINARY = {"default", "kubeadmin", "openshift", "passwd", "password", "redhat", "secret"}


class KnownSecrets:
    """Literal texts to find in others; the search is built at its first use."""

    def __init__(self) -> None:
        self._forms: frozenset[str] = frozenset()
        self._search = _Search(self._forms)

    def add(self, secrets: Iterable[str]) -> None:
        """Search for `secrets` from now on, except short and ordinary ones."""
        self._forms |= {
            form
            for text in secrets
            if _is_distinctive(text)
            for piece in _pieces_of(text)
            for form in _forms_of(piece)
            if len(form) >= _SHORTEST
        }

    def replaced(self, text: str, replacement: str) -> str:
        """Return `text` with every form of every secret replaced."""
        pieces, at = [], 0
        for begin, end in self.spans(text):
            pieces += [text[at:begin], replacement]
            at = end
        return "".join((*pieces, text[at:])) if pieces else text

    def spans(self, text: str) -> Iterator[tuple[int, int]]:
        """Yield where `text` has a form of a secret, the longest one that matches."""
        if self._search.forms is not self._forms:
            self._search = _Search(self._forms)
        return self._search.spans(text)


class _Search:
    """Finds `forms` in a text."""

    def __init__(self, forms: frozenset[str]) -> None:
        self.forms = forms
        self._begins: dict[str, list[str]] = {}
        for form in sorted(forms, key=len, reverse=True):
            self._begins.setdefault(form[:_SHORTEST], []).append(form)
        self._pattern = re.compile(f"(?=({any_of(self._begins)}))") if self._begins else None

    def spans(self, text: str) -> Iterator[tuple[int, int]]:
        if self._pattern is None:
            return
        found = self._pattern.search(text)
        while found is not None:
            begin = end = found.start()
            for form in self._begins[found[1]]:
                if text.startswith(form, begin):
                    end = begin + len(form)
                    yield begin, end
                    break
            found = self._pattern.search(text, max(begin + 1, end))


def parts_of(text: str) -> Iterator[str]:
    """Yield the text of a secret and its secret parts.

    Those are the logins of an authfile (containers-auth.json(5)), the lines of a private key, and
    all that has a sign of a secret.
    """
    yield text.strip()
    yield from _logins(text)
    for key in _KEY.findall(text):
        yield from (line for line in key.split() if len(line) >= _SHORTEST_KEY_LINE)
    for found in (found for sign in SIGNS for found in sign.finditer(text)):
        begin, end = secret_span(found)
        if any(map(str.isdigit, part := text[begin:end])):
            yield part


def _logins(text: str) -> Iterator[str]:
    try:
        parsed = json_value(text)
    except ValueError:
        return
    yield from _logins_in(parsed)


def _logins_in(value: object) -> Iterator[str]:
    if not isinstance(value, dict):
        return
    for name, item in value.items():
        if name == "auth" and isinstance(item, str):
            yield item
            yield from _login(item)
        elif name in _AUTH_FIELDS and isinstance(item, str):
            yield item
        else:
            yield from _logins_in(item)


def _login(auth: str) -> tuple[str, ...]:
    """Return user:password and the password from an authfile's base64."""
    try:
        login = base64.b64decode(auth).decode()
    except (binascii.Error, UnicodeDecodeError):
        return ()
    return login, login.partition(":")[2]


def _is_distinctive(text: str) -> bool:
    """Return whether the text is unlikely in logs otherwise."""
    if text.isdigit():
        return len(text) >= _SHORTEST_NUMBER
    return len(text) >= _SHORTEST and text.lower() not in _ORDINARY


def _pieces_of(text: str) -> Iterator[str]:
    """Yield a text in pieces of `_PIECE` characters to twice as many, up to `_LONGEST`."""
    text = text[:_LONGEST]
    count = max(1, len(text) // _PIECE)
    for number in range(count):
        yield text[number * _PIECE : (number + 1) * _PIECE if number + 1 < count else None]


def _forms_of(text: str) -> Iterator[str]:
    """Yield the text in the forms of logs, JSON (also twice), URLs, HTML, base64, UTF-16."""
    text = text.encode(errors="replace").decode()
    plain = {text, _in_json(text), _in_go_json(text), json.dumps(text, ensure_ascii=False)[1:-1]}
    yield from plain
    yield from map(_in_json, plain)
    yield from (quote(text, safe=""), quote(text), quote_plus(text), html.escape(text))
    percent = "".join(f"%{byte:02x}" for byte in text.encode())
    yield from (percent, percent.upper())
    for form in plain:
        yield from _in_base64(form.encode(), base64.b64encode)
        yield from _in_base64(form.encode(), base64.urlsafe_b64encode)
    for once in {*_in_base64(text.encode(), base64.b64encode), *_lines(text.encode())}:
        yield from _in_base64(once.encode(), base64.b64encode)
    yield from _lines(text.encode())
    yield from _in_utf_16(text)


def _lines(raw: bytes) -> Iterator[str]:
    """Yield the lines of wrapped base64 that are long enough to be known."""
    packed = base64.b64encode(raw).decode()
    for columns in _COLUMNS:
        lines = (packed[at : at + columns] for at in range(0, len(packed), columns))
        yield from (line for line in lines if len(line) >= _SHORTEST_KEY_LINE)


def _in_utf_16(text: str) -> Iterator[str]:
    """Yield a text with a zero between its letters, and what base64 makes of it."""
    zeros = "\0".join(text)
    yield from (zeros, _in_json(zeros))
    for encoding in ("utf-16-le", "utf-16-be"):
        yield from _in_base64(text.encode(encoding), base64.b64encode)


def _in_json(text: str) -> str:
    return json.dumps(text)[1:-1]


def _in_go_json(text: str) -> str:
    """Source: Go's encoding/json, HTMLEscape."""
    text = _in_json(text)
    for character, escape in (("&", r"\u0026"), ("<", r"\u003c"), (">", r"\u003e")):
        text = text.replace(character, escape)
    return text


def _in_base64(raw: bytes, encode: Callable[[bytes], bytes]) -> Iterator[str]:
    """Yield `raw` in base64, and as part of something longer, for each offset in a group of three.

    Characters at the edges depend on what is around, and are left out.
    """
    yield encode(raw).decode()
    for shift in range(3):
        begin = -(-shift * 8 // 6)
        end = (shift + len(raw)) * 8 // 6
        yield encode(bytes(shift) + raw).decode()[begin:end]
