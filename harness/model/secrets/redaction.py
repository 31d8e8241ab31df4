"""Removes secrets from all that a run shows or keeps.

They are found by value, in each form in which logs write them, and by the patterns in `signs`.
Neither finds everything. Not found are:

- unknown secrets without a sign, such as a password alone on a line;
- known ones that are encrypted, hashed, shorter than six characters, ordinary words or short
  numbers, split, or written as numbers (as the journal does with bytes that are not text);
- what follows the first 256 KiB of a known one, unless it has a sign;
- the rest of a value after a quote that its log did not escape;
- lines of an unknown private key without a BEGIN line, or more than a hundred lines after it.

So read evidence before you publish it.
"""

from __future__ import annotations

import re
from bisect import bisect
from collections.abc import Mapping
from itertools import accumulate, count
from urllib.parse import unquote

from harness.model.ignition.document import Json
from harness.model.secret import Secret
from harness.model.secrets.known import KnownSecrets, parts_of
from harness.model.secrets.signs import KEY_BEGIN, KEY_END, SECRET_NAME, SIGNS, secret_span

REMOVED = "[removed]"
"""The replacement of a secret."""

_KEY_LINES = 100
# More than a reader keeps of a line. What is cut off lies far enough before the end that a secret
# at the cut is complete.
_HELD_LIMIT = 1 << 16
_KEPT_AT_CUT = (1 << 13, 1 << 14, 1 << 15)
_AFTER_WORD = re.compile(r"[\s\"']")
_ESCAPE = re.compile(r"%[0-9A-Fa-f]{2}")
_WORD_WITH_PERCENT = re.compile(r"""(?<![^\s"'\\<>])[^\s%"'\\<>]*+%[^\s"'\\<>]*+""")
_ESCAPED_TIMES = 3
# Alone in its line or its string; what else follows in the line is not part of the key.
_KEY_LINE = re.compile(
    KEY_BEGIN + r'(?:\x1b\[[0-9;]*[A-Za-z]|\\++[nr]?|[^\w"\\\n])*+(?:["\n]|$)', re.MULTILINE
)
_KEY_END = re.compile(KEY_END)
_MESSAGE = re.compile(r'("MESSAGE"\s*:\s*)"(?:[^"\\]|\\.)*+"')
_LINE = re.compile(r"[^\n]*\n|[^\n]+")


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
            text = sign.sub(emptied, text)
        return self._without_escaped(text) if _ESCAPE.search(text) else text

    def _without_escaped(self, text: str) -> str:
        """Return `text` without the words that have a secret with characters percent-encoded."""
        words = _WORD_WITH_PERCENT.findall(text)
        hidden: set[int] = set()
        for _ in range(_ESCAPED_TIMES):
            words = [unquote(word).replace("\n", " ") for word in words]
            hidden |= self._with_secrets(words)
        if not hidden:
            return text
        number = count()
        return _WORD_WITH_PERCENT.sub(
            lambda found: REMOVED if next(number) in hidden else found[0], text
        )

    def _with_secrets(self, lines: list[str]) -> set[int]:
        """Return the numbers of the lines with a secret; one pass for all, as lines are short."""
        text = "\n".join(lines)
        spans = list(self._known.spans(text))
        spans += [secret_span(found) for sign in SIGNS for found in sign.finditer(text)]
        ends = list(accumulate(len(line) + 1 for line in lines))
        return {bisect(ends, begin) for begin, end in spans if text[begin:end] not in ("", REMOVED)}

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


class LineRedactor:
    """Removes secrets from a stream of lines, private keys that span lines included.

    It removes a key from its BEGIN line to its END, but at most a hundred lines: a BEGIN may lack
    its END. Of a journal entry in JSON it removes only the message.
    """

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor
        self._left = 0
        self._held: list[str] = []
        self._held_size = 0
        self._in_word = False

    def __call__(self, lines: str) -> str:
        """Return whole lines without secrets; the last one may lack its end."""
        if not self._left and not _KEY_LINE.search(lines):
            return self._redactor.within_lines(lines)
        return "".join(map(self._line, _LINE.findall(lines)))

    def feed(self, text: str) -> str:
        """Return the lines that `text` completes; an incomplete one waits for its end.

        A line of more than 64 KiB does not wait. If its cut would divide a secret, the rest of
        that word is left out.
        """
        text = self._after_word(text)
        whole, newline, rest = text.rpartition("\n")
        clean = ""
        if newline:
            clean = self("".join((*self._held, whole, newline)))
            self._held, self._held_size = [], 0
        self._held.append(rest)
        self._held_size += len(rest)
        return clean + self._cut() if self._held_size > _HELD_LIMIT else clean

    def finish(self) -> str:
        """Return the incomplete line."""
        rest, self._held, self._held_size = "".join(self._held), [], 0
        return self(rest)

    def _after_word(self, text: str) -> str:
        """Return what follows a word that was cut."""
        if self._in_word:
            found = _AFTER_WORD.search(text)
            self._in_word = found is None
            return text[found.start() :] if found else ""
        return text

    def _cut(self) -> str:
        """Return the begin of a line that is too long, and hold its end."""
        line = "".join(self._held)
        clean = self._redactor.within_lines
        whole = clean(line)
        for kept in _KEPT_AT_CUT:
            last = len(line) - kept
            at = line.rfind(" ", last - kept, last) + 1 or last
            begin, end = line[:at], line[at:]
            if not self._left and clean(begin) + clean(end) == whole:
                self._held, self._held_size = [end], len(end)
                return self(begin)
        self._held, self._held_size = [], 0
        self._in_word = True
        return self(line)

    def _line(self, line: str) -> str:
        if _KEY_LINE.search(line):
            self._left = _KEY_LINES
        elif self._left:
            self._left = 0 if _KEY_END.search(line) else self._left - 1
            return _without_message(line)
        return self._redactor.within_lines(line)


def emptied(found: re.Match[str]) -> str:
    """Return a match of a sign with its secret replaced by `REMOVED`."""
    begin, end = secret_span(found)
    if begin == end:
        return found[0]
    text, start = found[0], found.start()
    return f"{text[: begin - start]}{REMOVED}{text[end - start :]}"


def _without_message(line: str) -> str:
    """Return the replacement of a line in a private key: a journal entry loses its message."""
    if line.startswith("{"):
        entry, count = _MESSAGE.subn(rf'\1"{REMOVED}"', line)
        if count:
            return entry
    return REMOVED + line[len(line.rstrip("\r\n")) :]
