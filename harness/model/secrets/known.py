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
from harness.model.secrets.signs import KEY_BEGIN, KEY_END, SIGNS

_SHORTEST = 6
_SHORTEST_NUMBER = 16
_SHORTEST_KEY_LINE = 16
_AUTH_FIELDS = ("identitytoken", "registrytoken", "password")
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
            form for text in secrets if _is_distinctive(text) for form in _forms_of(text)
        }

    def replaced(self, text: str, replacement: str) -> str:
        """Return `text` with every form of every secret replaced, the longest one that matches."""
        if self._search.forms is not self._forms:
            self._search = _Search(self._forms)
        return self._search.replaced(text, replacement)


class _Search:
    """Finds `forms` in a text."""

    def __init__(self, forms: frozenset[str]) -> None:
        self.forms = forms
        self._begins: dict[str, list[str]] = {}
        for form in sorted(forms, key=len, reverse=True):
            self._begins.setdefault(form[:_SHORTEST], []).append(form)
        self._pattern = _any_of(self._begins) if self._begins else None

    def replaced(self, text: str, replacement: str) -> str:
        if self._pattern is None:
            return text
        pieces, at = [], 0
        for found in self._pattern.finditer(text):
            start = found.start()
            form = next((f for f in self._begins[found[1]] if text.startswith(f, start)), None)
            if form is None or start < at:
                continue
            pieces += [text[at:start], replacement]
            at = start + len(form)
        return "".join((*pieces, text[at:]))


def parts_of(text: str) -> Iterator[str]:
    """Yield the text of a secret and its secret parts.

    Those are the logins of an authfile (containers-auth.json(5)), the lines of a private key, and
    all that has a sign of a secret.
    """
    yield text.strip()
    yield from _logins(text)
    for key in re.findall(f"{KEY_BEGIN}(.*?){KEY_END}", text, re.DOTALL):
        yield from (line for line in key.split() if len(line) >= _SHORTEST_KEY_LINE)
    for found in (found for sign in SIGNS for found in sign.finditer(text)):
        part = found[found.lastindex or 0]
        if any(map(str.isdigit, part)):
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


def _forms_of(text: str) -> Iterator[str]:
    """Yield the text in the forms of logs, JSON (also twice), URLs, HTML and base64."""
    plain = {text, _in_json(text), _in_go_json(text), json.dumps(text, ensure_ascii=False)[1:-1]}
    yield from plain
    yield from map(_in_json, plain)
    yield from (quote(text, safe=""), quote(text), quote_plus(text), html.escape(text))
    for form in plain:
        yield from _in_base64(form.encode(), base64.b64encode)
        yield from _in_base64(form.encode(), base64.urlsafe_b64encode)


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


def _any_of(begins: Iterable[str]) -> re.Pattern[str]:
    """Return a pattern that finds any of `begins`, grouped by first character for speed."""
    rests: dict[str, list[str]] = {}
    for begin in begins:
        rests.setdefault(begin[0], []).append(re.escape(begin[1:]))
    branches = (f"{re.escape(first)}(?:{'|'.join(rest)})" for first, rest in rests.items())
    return re.compile(f"(?=({'|'.join(branches)}))")
