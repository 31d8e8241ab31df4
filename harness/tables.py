"""TOML files with lists of tables, read into values; every fault names its place."""

from __future__ import annotations

import datetime
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import msgspec

from harness.model.errors import InputError

KEY_OF_WORDS = "EXPECTED"
"""The class attribute with what a field has to be, in plain words, by its name."""

_FIELD = re.compile(r"`\$\.(\w+)`$")
_Value = TypeVar("_Value", bound=msgspec.Struct)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tables:
    """The lists of one file by their keys; `subject` is what an error calls the file."""

    subject: str
    lists: Mapping[str, list[object]]

    def entries(self, key: str, kind: type[_Value]) -> tuple[tuple[str, _Value], ...]:
        """Return the entries `[[key]]` as values of `kind`, each with its place for errors.

        Raises:
            InputError: an entry is malformed.
        """
        placed = [(self._place(key, n, raw), raw) for n, raw in enumerate(self.lists[key])]
        return tuple((where, _entry(raw, where, kind)) for where, raw in placed)

    def _place(self, key: str, number: int, entry: object) -> str:
        """Return what an error calls an entry: its number counted from 1, and its name if any."""
        name = entry.get("name") if isinstance(entry, dict) else None
        return f"{self.subject}, [[{key}]] number {number + 1}" + (f" ({name})" if name else "")


def read(path: Path, *keys: str, subject: str = "", remedy: str = "name a TOML file") -> Tables:
    """Return the lists `keys` of a file; an error calls it `subject`, or by its path.

    Raises:
        InputError: the file cannot be read (the way out is `remedy`), or `parse` refuses it.
    """
    subject = subject or f"{path}"
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) else "it is not text"
        raise InputError(subject, f"cannot be read: {reason}", remedy) from exc
    return parse(text, subject, *keys)


def parse(text: str, subject: str, *keys: str) -> Tables:
    """Return the lists `keys` of a TOML text; one that it does not have is empty.

    Raises:
        InputError: it is not TOML, or has something else in it.
    """
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as exc:
        raise InputError(subject, f"is not TOML: {exc}", "correct the line it names") from exc
    lists = {key: raw.get(key, []) for key in keys}
    if set(raw) - {*keys} or not all(isinstance(entries, list) for entries in lists.values()):
        named, written = (
            " or ".join(f"{key}s" for key in keys),
            " or ".join(f"[[{key}]]" for key in keys),
        )
        raise InputError(
            subject, f"has something else than {named}", f"write each entry as {written}"
        )
    return Tables(subject=subject, lists=lists)


def _entry(raw: object, where: str, kind: type[_Value]) -> _Value:
    try:
        return msgspec.convert(
            raw, kind, dec_hook=_pattern, builtin_types=(datetime.date, datetime.datetime)
        )
    except msgspec.ValidationError as exc:
        known = ", ".join(field.encode_name for field in msgspec.structs.fields(kind))
        problem = _in_words(str(exc), raw, kind)
        raise InputError(where, problem, f"correct it; its fields: {known}") from exc


def _in_words(problem: str, raw: object, kind: type[_Value]) -> str:
    """Return msgspec's complaint, in the words of `kind` if it has some for the field."""
    found = _FIELD.search(problem)
    expected = getattr(kind, KEY_OF_WORDS, {}).get(found[1]) if found else None
    if not found or not expected or not isinstance(raw, dict):
        return problem
    return f"has the {found[1]} {str(raw.get(found[1]))!r}; it has to be {expected}"


def _pattern(_: type, value: object) -> re.Pattern[str]:
    """Return a regular expression, the one type that msgspec does not know."""
    if not isinstance(value, str):
        raise ValueError("Expected a regular expression as text")  # noqa: TRY004 - msgspec's own way
    try:
        compiled = re.compile(value)
    except re.error as exc:
        raise ValueError(f"No regular expression: {exc}") from exc
    if compiled.search("") is not None:
        raise ValueError("The regular expression fits an empty text, and so everything")
    return compiled
