"""Read TOML files into values; each error names its place and the known names.

A value is a `msgspec.Struct` that forbids unknown fields. Most files are lists of tables (`read`,
`parse`); `document` reads one with other fields beside them.
"""

from __future__ import annotations

import datetime
import difflib
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, get_origin

import msgspec

from harness import regular_file
from harness.model.errors import InputError

KEY_OF_WORDS = "EXPECTED"
"""The class attribute that describes the expected values of fields, by name."""

_PLACE = re.compile(r"`\$([^`]*)`$")
_STEP = re.compile(r"\.?(\w+)|\[(\d+)\]")
_MISSING = re.compile(r"missing required field `(\w+)`")
_UNKNOWN = re.compile(r"unknown field `([^`]+)`")
_FIELD = re.compile(r"`\$\.(\w+)`$")
_LISTED = re.compile(r"`\$\.(\w+)\[(\d+)\]")
_NAMES = ("name", "key", "path", "id")
"""The fields that identify an entry in errors."""
_Value = TypeVar("_Value", bound=msgspec.Struct)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tables:
    """The lists of one file by key; errors call the file `subject`."""

    subject: str
    lists: Mapping[str, list[object]]

    def entries(self, key: str, kind: type[_Value]) -> tuple[tuple[str, _Value], ...]:
        """Return the entries `[[key]]` as values of `kind`, each with its place for errors.

        Raises:
            InputError: an entry is malformed.
        """
        placed = [(_place(self.subject, key, n, e), e) for n, e in enumerate(self.lists[key])]
        return tuple((where, _converted(raw, where, kind)) for where, raw in placed)


def read(path: Path, *keys: str, subject: str = "", remedy: str = "Name a TOML file.") -> Tables:
    """Return the lists `keys` of a file; errors call it `subject`, by default its path.

    Raises:
        InputError: the file cannot be read (then with `remedy`), or `parse` refuses it.
    """
    subject = subject or f"{path}"
    return parse(regular_file.text(path, remedy, subject=subject), subject, *keys)


def parse(text: str, subject: str, *keys: str) -> Tables:
    """Return the lists `keys` of a TOML text; a missing one is empty.

    Raises:
        InputError: it is not TOML, or has something else.
    """
    raw = _toml(text, subject)
    lists = {key: raw.get(key, []) for key in keys}
    if set(raw) - {*keys} or not all(isinstance(entries, list) for entries in lists.values()):
        named, written = (
            " or ".join(f"{key}s" for key in keys),
            " or ".join(f"[[{key}]]" for key in keys),
        )
        raise InputError(subject, f"has other fields than {named}", f"Write entries as {written}.")
    return Tables(subject=subject, lists=lists)


def document(text: str, subject: str, kind: type[_Value]) -> _Value:
    """Return a TOML text as one value; errors within a list name the table.

    Raises:
        InputError: it is not TOML, or something in it is unknown, missing or malformed.
    """
    raw = _toml(text, subject)
    try:
        return _value(raw, kind)
    except msgspec.ValidationError as exc:
        problem, listed = str(exc), _LISTED.search(str(exc))
        if listed is None:
            raise _error(problem, raw, subject, kind) from exc
        key, number = listed[1], int(listed[2])
        entry, (entry_kind, *_) = raw[key][number], get_args(_fields(kind)[key])
        inner = problem.replace(listed[0], "`$").removesuffix(" - at `$`")
        raise _error(inner, entry, _place(subject, key, number, entry), entry_kind) from exc


def _toml(text: str, subject: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as exc:
        raise InputError(subject, f"not TOML: {exc}", "Correct that line.") from exc
    except (ValueError, RecursionError) as exc:  # thousands of digits, or of brackets
        raise InputError(subject, f"not usable TOML: {exc}", "Correct the value.") from exc


def _place(subject: str, key: str, number: int, entry: object) -> str:
    """Return an entry's place for errors: its number from 1, and its name if any."""
    names = (entry.get(name) for name in _NAMES) if isinstance(entry, dict) else ()
    name = next(filter(None, names), None)
    return f"{subject}, [[{key}]] number {number + 1}" + (f" ({name})" if name else "")


def _converted(raw: object, where: str, kind: type[_Value]) -> _Value:
    try:
        return _value(raw, kind)
    except msgspec.ValidationError as exc:
        raise _error(str(exc), raw, where, kind) from exc


def _value(raw: object, kind: type[_Value]) -> _Value:
    return msgspec.convert(
        raw, kind, dec_hook=_pattern, builtin_types=(datetime.date, datetime.datetime)
    )


def _error(problem: str, raw: object, where: str, kind: type) -> InputError:
    """Return msgspec's error with a remedy for the place that it names."""
    found = _PLACE.search(problem)
    path = found[1].removeprefix(".") if found else ""
    at = _type_at(kind, path)
    fields = _fields(at)
    if choices := _choices(at):
        remedy = f"Use one of: {', '.join(choices)}."
    elif lacking := _MISSING.search(problem):
        remedy = f"Add {lacking[1]}."
    elif unknown := _UNKNOWN.search(problem):
        alike = difflib.get_close_matches(unknown[1], fields, n=1)
        remedy = f"Use {alike[0]}." if alike else f"Use only: {', '.join(fields)}."
    else:
        remedy = f"Correct {path or 'it'}."
    return InputError(where, _in_words(problem, raw, kind), remedy)


def _type_at(kind: object, path: str) -> object:
    """Return the type of a place such as `any_of[0].text` within `kind`."""
    for name, index in _STEP.findall(path):
        kind = next(iter(get_args(kind)), None) if index else _fields(kind).get(name)
    return kind


def _choices(kind: object) -> tuple[str, ...]:
    """Return the values of an enumeration, or of one with None; of other types, none."""
    for one in (kind, *get_args(kind)):
        if get_origin(one) is Literal:
            return tuple(map(str, get_args(one)))
        if isinstance(one, type) and issubclass(one, StrEnum):
            return tuple(one)
    return ()


def _fields(kind: object) -> dict[str, object]:
    """Return the types of a struct's fields by name; of other types, none."""
    if not (isinstance(kind, type) and issubclass(kind, msgspec.Struct)):
        return {}
    known = msgspec.structs.fields(kind)
    return {field.encode_name: field.type for field in known}


def _in_words(problem: str, raw: object, kind: type) -> str:
    """Return msgspec's error, or the description by `kind` of the field if it has one."""
    found = _FIELD.search(problem)
    expected = getattr(kind, KEY_OF_WORDS, {}).get(found[1]) if found else None
    if not found or not expected or not isinstance(raw, dict):
        return problem
    return f"has the {found[1]} {str(raw.get(found[1]))!r}; it has to be {expected}"


def _pattern(_: type, value: object) -> re.Pattern[str]:
    """Return a regular expression, which msgspec does not support."""
    if not isinstance(value, str):
        raise ValueError("Expected a regular expression as text")  # noqa: TRY004 - msgspec's own way
    try:
        compiled = re.compile(value)
    except re.error as exc:
        raise ValueError(f"Not a regular expression: {exc}") from exc
    if compiled.search("") is not None:
        raise ValueError("The regular expression matches the empty text, so it matches every line")
    return compiled
