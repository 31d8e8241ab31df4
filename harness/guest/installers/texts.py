"""The units and files of an installer's config, as text. Pure.

Only folders that say what a config does are read; the rest of a real one has megabytes.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from harness.model.errors import InputError
from harness.model.ignition import Document
from harness.model.ignition.document import object_of
from harness.model.ignition.fields import decode, objects_of, text_of

BIN = "/usr/local/bin/"
UNITS = "/etc/systemd/system/"
GENERATORS = "/etc/systemd/system-generators/"
MANAGER = "/etc/systemd/system.conf.d/"
_READ = (
    BIN, UNITS, GENERATORS, MANAGER, "/etc/assisted/", "/etc/mco/", "/etc/sysconfig/",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Texts:
    """Units by name and files by path; units that are plain files are among both.

    `enabled` are the names of units that the config enables.
    """

    units: Mapping[str, str]
    files: Mapping[str, str]
    enabled: frozenset[str] = field(default_factory=frozenset)

    def script(self, name: str) -> str:
        """Return the text of a program of /usr/local/bin, empty if there is none."""
        return self.files.get(BIN + name, "")


def texts_of(document: Document) -> Texts:
    """Return what a config delivers, as text.

    Raises:
        InputError: the contents of one of its files are damaged.
    """
    files = dict(_files(document))
    units = {
        path.removeprefix(UNITS): text
        for path, text in files.items()
        if path.startswith(UNITS) and "/" not in path.removeprefix(UNITS)
    }
    enabled = set()
    for unit in objects_of(object_of(document, "systemd"), "units"):
        # An entry with drop-ins alone leaves a unit that is a plain file as it is.
        name = text_of(unit, "name")
        units[name] = text_of(unit, "contents") or units.get(name, "")
        if unit.get("enabled") is True:
            enabled.add(name)
    return Texts(units=units, files=files, enabled=frozenset(enabled))


def found(pattern: re.Pattern[str], text: str) -> str:
    """Return the first group of the first match, empty without one."""
    match = pattern.search(text)
    return match[1] if match else ""


def fetched(document: Document) -> list[str]:
    """Return the URLs that a config merges or is replaced by."""
    config = object_of(object_of(document, "ignition"), "config")
    sources = [*objects_of(config, "merge"), object_of(config, "replace")]
    return [url for source in sources if (url := text_of(source, "source"))]


def _files(document: Document) -> Iterator[tuple[str, str]]:
    for file in objects_of(object_of(document, "storage"), "files"):
        path, contents = text_of(file, "path"), object_of(file, "contents")
        source = text_of(contents, "source")
        if not path.startswith(_READ):
            continue
        try:
            is_here = source.startswith("data:")
            raw = decode(source, text_of(contents, "compression")) if is_here else b""
        except (ValueError, zlib.error) as exc:
            problem = f"unreadable contents of {path}: {exc}"
            raise InputError(
                "the installer's config", problem, "Check it with `ignition-validate`."
            ) from exc
        yield path, (raw or b"").decode(errors="replace")
