"""Read options from command line, environment and settings file, in this order."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.folders import expanded
from harness.images.acquire.url import STREAM
from harness.model.errors import InputError
from harness.player.plan import MIN_MEMORY_MIB

_UNITS = {"MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40}
_WHOLE = re.compile(r"[0-9]{1,9}")
_SWITCH = {"1": True, "true": True, "yes": True, "on": True}
_SWITCH |= {"0": False, "false": False, "no": False, "off": False}


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One row: without `metavar` it is a switch; a `path` in a settings file is relative to it.

    What is `for_tests` has no meaning for `node-image spawn`, which runs none.
    """

    name: str
    help: str
    metavar: str | None = None
    repeatable: bool = False
    path: bool = False
    for_tests: bool = False

    @property
    def flag(self) -> str:
        """The option as given on the command line."""
        return f"--{self.name}"

    @property
    def variable(self) -> str:
        """The environment variable."""
        return f"NODE_IMAGE_{self.name.replace('-', '_').upper()}"

    @property
    def setting(self) -> str:
        """The setting's name, and the attribute under which pytest keeps the option."""
        return f"node_image_{self.name.replace('-', '_')}"


class Places:
    """The three places in which an option can be given, and readers for each kind of value.

    Every reader returns None, or the empty value, for an option that was not given, and raises an
    `InputError` that names the place for a malformed one.
    """

    def __init__(
        self,
        options: Mapping[str, Option],
        command_line: Mapping[str, object],
        environment: Mapping[str, str],
        settings: Mapping[str, str],
        settings_folder: Path,
    ) -> None:
        self._options = options
        self._command_line = command_line
        self._environment = environment
        self._settings = settings
        self._folder = settings_folder

    def given(self, name: str) -> tuple[str, str | None]:
        """Return the place and the text of an option; the text is None if it was not given."""
        option = self._options[name]
        value = self._command_line.get(option.setting)
        if value:
            listed = value if isinstance(value, list) else [value]
            return option.flag, "\n".join(str(entry) for entry in listed)
        if text := self._environment.get(option.variable, "").strip():
            return f"${option.variable}", text
        if text := self._settings.get(option.setting, "").strip():
            return f"setting {option.setting}", self._anchored(option, text)
        return option.flag, None

    def text(self, name: str) -> str | None:
        """Return the text."""
        return self.given(name)[1]

    def texts(self, name: str) -> tuple[str, ...]:
        """Return each text of an option that takes several.

        On the command line the option is repeated instead, so a path there may contain a comma.
        """
        option = self._options[name]
        listed = self._command_line.get(option.setting)
        if option.path and isinstance(listed, list):
            return tuple(str(entry) for entry in listed)
        return _split(self.given(name)[1] or "")

    def file(self, name: str) -> Path | None:
        """Return the path, `~` expanded."""
        text = self.text(name)
        return expanded(text) if text else None

    def files(self, name: str) -> tuple[Path, ...]:
        """Return each path of an option that takes several, `~` expanded."""
        return tuple(expanded(text) for text in self.texts(name))

    def switch(self, name: str) -> bool:
        """Return whether it is on."""
        where, text = self.given(name)
        try:
            return _SWITCH[(text or "no").lower()]
        except KeyError as exc:
            raise InputError(where, f"{text!r} is not yes or no", "Write yes or no.") from exc

    def factor(self, name: str) -> float | None:
        """Return a number above 0."""
        where, text = self.given(name)
        if text is None:
            return None
        number = _number(text)
        if number is None or not math.isfinite(number) or number <= 0:
            problem = f"{text!r} is not a number above 0"
            raise InputError(where, problem, "Write a number such as 1.5.")
        return number

    def memory_mib(self, name: str) -> int | None:
        """Return an amount of memory for a machine, in MiB."""
        where, text = self.given(name)
        if text is None:
            return None
        if not _WHOLE.fullmatch(text) or int(text) < MIN_MEMORY_MIB:
            problem = f"{text!r} is not a whole number of MiB, at least {MIN_MEMORY_MIB}"
            raise InputError(where, problem, "Write a number without a unit, such as 2048.")
        return int(text)

    def size_bytes(self, name: str) -> int | None:
        """Return a size in bytes from a number with a unit."""
        where, text = self.given(name)
        if text is None:
            return None
        found = re.fullmatch(rf"([0-9]{{1,9}}(?:\.[0-9]{{1,9}})?) ?({'|'.join(_UNITS)})", text)
        if found is None:
            units = ", ".join(_UNITS)
            problem = f"{text!r} is not a size"
            raise InputError(where, problem, f"Write a number and one of: {units}.")
        return int(float(found[1]) * _UNITS[found[2]])

    def _anchored(self, option: Option, text: str) -> str:
        if not option.path:
            return text
        parts = _split(text) if option.repeatable else (text,)
        return "\n".join(_anchor(option.name, part, self._folder) for part in parts)


def _anchor(name: str, text: str, folder: Path) -> str:
    if name == "image" and "=" in text:
        key, _, path = text.partition("=")
        return f"{key}={_anchor('', path, folder)}"
    if text.startswith(STREAM):
        return f"{STREAM}{_anchor('', text.removeprefix(STREAM), folder)}"
    is_table_name = name == "expectations" and "/" not in text and not text.endswith(".toml")
    if "://" in text or is_table_name:
        return text
    return os.fspath(folder / expanded(text))


def _split(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in re.split(r"[,\n]", text) if part.strip())


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
