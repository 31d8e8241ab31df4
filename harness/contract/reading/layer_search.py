"""Finds some files of a squashed image in as few of its layers as can be, from the top down.

An upper layer decides on a path: by a file, a whiteout, an opaque folder, or by what it has in the
place of one of the path's folders. So the search ends when all is decided. Contents are written to
a private folder, under names of ours.
"""

from __future__ import annotations

import hashlib
import posixpath
import shutil
import tarfile
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, cast

from harness.contract.reading.image_reader import ImageReader, layer_members
from harness.images.layers.overlay import whiteout
from harness.images.layers.tree import clean
from harness.model.clock import Deadline
from harness.model.errors import InputError

_MAX_LINKS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundFile:
    """A file of the image: the number of its layer, and a copy of its content."""

    layer: int
    content: Path


@dataclass(slots=True, kw_only=True)
class Search:
    """A search for files, whose contents go to `folder`; `limit_bytes` bounds each of them."""

    reader: ImageReader
    folder: Path
    limit_bytes: int
    deadline: Deadline
    read_bytes: int = 0
    _decided: dict[str, FoundFile | str | None] = field(default_factory=dict)

    def find(
        self,
        wanted: Collection[str],
        layers: Iterable[int],
        is_enough: Callable[[], bool] = lambda: False,
    ) -> None:
        """Look for the paths in `layers`, given from the top down, until all are decided.

        It may end before, when `is_enough`. Links are followed, from the top layer again.

        Raises:
            InputError: a layer or a content cannot be read.
            DeadlineError: the time is over.
        """
        numbers, paths = tuple(layers), set(wanted)
        sought: set[str] = set()
        for _ in range(_MAX_LINKS):
            sought |= paths
            folders: set[str] = set()  # of the layers above
            for number in numbers:
                paths -= self._decided.keys()
                if not paths or is_enough():
                    break
                self._look(number, frozenset(paths), folders)
            targets = {one for one in self._decided.values() if isinstance(one, str)}
            paths = targets - sought
            if not paths or is_enough():
                return

    def get(self, path: str) -> FoundFile | None:
        """Return a file that was found, with links followed."""
        for _ in range(_MAX_LINKS):
            found = self._decided.get(path)
            if not isinstance(found, str):
                return found
            path = found
        return None

    def knows(self, path: str) -> bool:
        """Return whether the layers that were read decide on a path."""
        return path in self._decided

    def _look(self, number: int, paths: frozenset[str], folders: set[str]) -> None:
        self.read_bytes += self.reader.layers[number].size_bytes
        seen = _Seen(paths=paths)
        for member, layer in layer_members(self.reader, number, self.deadline):
            path = clean(member.name)
            if path is not None and seen.take(path, member) and member.isreg():
                self._write(path, member, layer)
        if any(member.islnk() for member in seen.found.values()):
            self._follow(number, seen.found)
        for path in paths:
            self._decide(path, number, seen, folders)
        folders |= seen.folders

    def _decide(self, path: str, number: int, seen: _Seen, folders: set[str]) -> None:
        member = seen.found.get(path)
        if member is not None:
            self._decided[path] = self._result(path, member, number)
            return
        link = next((link for link in seen.links if path.startswith(f"{link}/")), None)
        if link in folders:
            self._decided[path] = None  # a folder of an upper layer replaced the link
        elif link is not None:
            self._decided[path] = _target(link, seen.links[link]) + path.removeprefix(link)
        elif seen.hides(path):
            self._decided[path] = None

    def _result(self, path: str, member: tarfile.TarInfo, number: int) -> FoundFile | str | None:
        if member.issym():
            return _target(path, member.linkname)
        content = self._content(path)
        if member.islnk() and not content.exists():
            return clean(member.linkname)  # perhaps of a lower layer
        is_file = member.isreg() or member.islnk()
        return FoundFile(layer=number, content=content) if is_file else None

    def _follow(self, number: int, found: dict[str, tarfile.TarInfo]) -> None:
        """Get what hard links name, which stood before them, by another pass."""
        self.read_bytes += self.reader.layers[number].size_bytes
        names: dict[str | None, list[str]] = {}
        for path, member in found.items():
            if member.islnk():
                self._content(path).unlink(missing_ok=True)  # of a file that it replaced
                names.setdefault(clean(member.linkname), []).append(path)
        for member, layer in layer_members(self.reader, number, self.deadline):
            first, *others = names.get(clean(member.name), ("",))
            if first and member.issym():
                found.update(dict.fromkeys((first, *others), member))
            elif first and member.isreg():
                self._write(first, member, layer)
                for other in others:
                    shutil.copyfile(self._content(first), self._content(other))

    def _write(self, path: str, member: tarfile.TarInfo, layer: tarfile.TarFile) -> None:
        if member.size > self.limit_bytes:
            problem = f"{path} has the implausible size of {member.size} bytes"
            raise InputError(self.reader.subject, problem, "Check how the image was built.")
        try:
            with self._content(path).open("wb") as out:
                shutil.copyfileobj(cast("IO[bytes]", layer.extractfile(member)), out)
        except OSError as exc:
            problem = f"{path} cannot be unpacked to {self.folder}: {exc.strerror}"
            raise InputError(self.reader.subject, problem, "Free disk space there.") from exc

    def _content(self, path: str) -> Path:
        return self.folder / hashlib.sha256(path.encode(errors="surrogateescape")).hexdigest()


@dataclass(slots=True, kw_only=True)
class _Seen:
    """What one layer says on the wanted `paths`: members at them, links and others above them."""

    paths: frozenset[str]
    found: dict[str, tarfile.TarInfo] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)
    files: set[str] = field(default_factory=set)  # in the place of folders
    folders: set[str] = field(default_factory=set)
    emptied: set[str] = field(default_factory=set)
    removed: set[str] = field(default_factory=set)
    above: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        self.above = frozenset(one for path in self.paths for one in _ancestors(path))

    def take(self, path: str, member: tarfile.TarInfo) -> bool:
        """Return whether a member is at a wanted path."""
        hidden = whiteout(path)
        if hidden is not None:
            (self.emptied if hidden.is_opaque else self.removed).add(hidden.path)
            return False
        if path in self.above:
            self.links.pop(path, None)
            self.files.discard(path)
            self.folders.discard(path)
            if member.issym():
                self.links[path] = member.linkname
            else:
                (self.folders if member.isdir() else self.files).add(path)
        if path not in self.paths:
            return False
        self.found[path] = member
        return True

    def hides(self, path: str) -> bool:
        """Return whether the layer hides a path of lower layers."""
        closed = self.emptied | self.files | self.removed
        return path in self.removed or not closed.isdisjoint(_ancestors(path))


def _ancestors(path: str) -> list[str]:
    """Return the folders above a path; the root is empty."""
    parts = path.split("/")
    return ["/".join(parts[:count]) for count in range(1, len(parts))]


def _target(path: str, target: str) -> str:
    return posixpath.normpath(posixpath.join(posixpath.dirname(path), target))
