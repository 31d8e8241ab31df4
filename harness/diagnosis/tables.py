"""Lists of tables in TOML files, read into values: the form that rules and allow-lists share."""

from __future__ import annotations

import datetime
import re
import tomllib
from pathlib import Path
from typing import TypeVar

import msgspec

from harness.model.errors import InputError

KEY_OF_WORDS = "EXPECTED"
"""The class attribute with what a field has to be, in plain words, by its name."""

_FIELD = re.compile(r"`\$\.(\w+)`$")
_Value = TypeVar("_Value", bound=msgspec.Struct)


def read(path: Path, key: str, kind: type[_Value]) -> tuple[_Value, ...]:
    """Return the entries `[[key]]` of a TOML file as values of `kind`, in their order.

    Raises:
        InputError: the file cannot be read, or `parse` refuses it.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        raise InputError(f"{path}", f"cannot be read: {exc}", "give a TOML file") from exc
    return parse(text, f"{path}", key, kind)


def parse(text: str, subject: str, key: str, kind: type[_Value]) -> tuple[_Value, ...]:
    """Return the entries of a TOML text; `subject` is what an error calls it.

    Raises:
        InputError: it is no TOML, has something else in it, or an entry is malformed.
    """
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as exc:
        raise InputError(subject, f"is not TOML: {exc}", "correct the line it names") from exc
    entries = raw.get(key, [])
    if set(raw) - {key} or not isinstance(entries, list):
        raise InputError(
            subject, f"has something else than {key}s", f"write each entry as [[{key}]]"
        )
    return tuple(
        _entry(entry, place(subject, key, n, entry), kind) for n, entry in enumerate(entries)
    )


def place(subject: str, key: str, number: int, entry: object) -> str:
    """Return what an error calls an entry: its number counted from 1, and its name if any."""
    name = entry.get("name") if isinstance(entry, dict) else None
    return f"{subject}, [[{key}]] number {number + 1}" + (f" ({name})" if name else "")


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
