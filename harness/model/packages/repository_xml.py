"""The XML of yum repositories: where the list of packages is, and the newest of each name.

expat reads it in pieces. A document type, and with it every entity of one, is refused: repositories
have none, and entities are how small XML becomes large.

Source: createrepo_c(8), and the forms at https://github.com/rpm-software-management/createrepo_c.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from xml.parsers import expat

from harness.model.errors import InputError
from harness.model.packages.nevra import Nevra
from harness.model.packages.rpm_order import newest

_MAX_TEXT = 4096
_MAX_NAMES = 200_000
"""Several times the names of Fedora, the largest distribution of RPMs."""
_SHA256 = re.compile(r"[0-9a-f]{64}")
_CHECK = "Check the repository, or create its metadata again with createrepo_c."
_SEPARATOR = " "


class _RefusedError(Exception):
    """Something that no repository has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Primary:
    """The file with the list of packages; sizes are 0 where the repository does not say them."""

    href: str
    sha256: str
    size_bytes: int = 0


class _Reader:
    """Gives the elements of XML to `begin` and `end`, by their path of local names."""

    def __init__(self) -> None:
        self.path: list[str] = []
        self.text = ""
        self._parser = expat.ParserCreate(namespace_separator=_SEPARATOR)
        self._parser.buffer_text = True
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._stop
        self._parser.CharacterDataHandler = self._characters
        self._parser.StartDoctypeDeclHandler = self._refuse_doctype

    def feed(self, block: bytes, *, is_last: bool = False) -> None:
        """Read the next piece."""
        self._parser.Parse(block, is_last)

    def begin(self, attributes: Mapping[str, str]) -> None:
        """Take the beginning of the element at `path`."""

    def end(self) -> None:
        """Take the end of the element at `path`; `text` is what it contains."""

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self.path.append(name.rpartition(_SEPARATOR)[2])
        self.text = ""
        self.begin(attributes)

    def _stop(self, _name: str) -> None:
        self.end()
        self.path.pop()
        self.text = ""

    def _characters(self, text: str) -> None:
        # Descriptions are long, and not read.
        if len(self.text) < _MAX_TEXT:
            self.text += text

    def _refuse_doctype(self, *_: object) -> None:
        raise _RefusedError("a document type declaration")


def parse_repomd(text: bytes, subject: str) -> Primary:
    """Return where the list of packages is, by the text of repomd.xml.

    Raises:
        InputError: it is not the index of a repository, or has no list with a sha256.
    """
    reader = _Repomd()
    _fed(reader, [text], subject)
    if not reader.href:
        raise InputError(subject, "the index of a repository without a primary.xml", _CHECK)
    if not _SHA256.fullmatch(reader.sha256):
        raise InputError(subject, "no sha256 of primary.xml", _CHECK)
    return Primary(href=reader.href, sha256=reader.sha256, size_bytes=reader.size_bytes)


def newest_packages(blocks: Iterable[bytes], arch: str, subject: str) -> dict[str, Nevra]:
    """Return the newest package of each name for `arch`, or for every one, of a primary.xml.

    Raises:
        InputError: it is not a list of packages.
    """
    reader = _Packages(frozenset((arch, "noarch")))
    _fed(reader, blocks, subject)
    return reader.found


class _Repomd(_Reader):
    def __init__(self) -> None:
        super().__init__()
        self.href = self.sha256 = ""
        self.size_bytes = 0
        self._is_primary = False
        self._is_sha256 = False

    def begin(self, attributes: Mapping[str, str]) -> None:
        match self.path:
            case ["repomd", "data"]:
                self._is_primary = attributes.get("type") == "primary"
            case ["repomd", "data", "location"] if self._is_primary:
                self.href = attributes.get("href", "")
            case ["repomd", "data", "checksum"]:
                self._is_sha256 = self._is_primary and attributes.get("type") == "sha256"

    def end(self) -> None:
        match self.path:
            case ["repomd", "data", "checksum"] if self._is_sha256:
                self.sha256 = self.text.strip()
            case ["repomd", "data", "size"] if self._is_primary and self.text.isdecimal():
                self.size_bytes = int(self.text[:20])


class _Packages(_Reader):
    def __init__(self, architectures: frozenset[str]) -> None:
        super().__init__()
        self.found: dict[str, Nevra] = {}
        self._architectures = architectures
        self._fields: dict[str, str] = {}

    def begin(self, attributes: Mapping[str, str]) -> None:
        if self.path == ["metadata", "package", "version"]:
            self._fields |= {key: attributes.get(key, "") for key in ("epoch", "ver", "rel")}
        elif len(self.path) == 1 and self.path != ["metadata"]:
            raise _RefusedError(f"<{self.path[0]}> instead of a list of packages")

    def end(self) -> None:
        match self.path:
            case ["metadata", "package", "name" | "arch" as field]:
                self._fields[field] = self.text.strip()
            case ["metadata", "package"]:
                self._keep(self._fields)
                self._fields = {}

    def _keep(self, fields: Mapping[str, str]) -> None:
        if fields.get("arch") not in self._architectures:
            return
        epoch = fields.get("epoch") or "0"
        if not (fields.get("name") and fields.get("ver") and epoch.isdecimal()):
            raise _RefusedError(f"a package without name or version ({fields.get('name')!r})")
        package = Nevra(
            name=fields["name"], epoch=int(epoch[:10]), version=fields["ver"],
            release=fields.get("rel", ""), arch=fields["arch"],
        )  # fmt: skip
        known = self.found.get(package.name, package)
        self.found[package.name] = newest((known, package))
        if len(self.found) > _MAX_NAMES:
            raise _RefusedError(f"more than {_MAX_NAMES} packages")


def _fed(reader: _Reader, blocks: Iterable[bytes], subject: str) -> None:
    try:
        for block in blocks:
            reader.feed(block)
        reader.feed(b"", is_last=True)
    except expat.ExpatError as exc:
        raise InputError(subject, f"not the XML of a repository: {exc}", _CHECK) from exc
    except _RefusedError as exc:
        raise InputError(subject, f"not the XML of a repository: {exc}", _CHECK) from exc
