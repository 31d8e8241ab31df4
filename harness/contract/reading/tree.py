"""The files of a squashed image with everything that a comparison of contents needs."""

from __future__ import annotations

import hashlib
import posixpath
import tarfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import IO, cast

from harness.contract.reading.kept_contents import KeptContents, digest
from harness.images.layers.overlay import MAX_PATH, Changes, Folder, Overlay
from harness.model.escapes import printable

NO_XATTRS: Mapping[str, str] = MappingProxyType({})
_XATTR = "SCHILY.xattr."  # Source: star(5), and archive/tar of Go, which writes the layers
_READ_BYTES = 1 << 20
_MAX_PROBLEMS = 100
_MAX_SHOWN = 200


class EntryType(StrEnum):
    """What a path is."""

    FILE = "file"
    FOLDER = "folder"
    SYMLINK = "symlink"
    CHARACTER_DEVICE = "character device"
    BLOCK_DEVICE = "block device"
    FIFO = "FIFO"
    DANGLING_LINK = "hard link to nothing"
    """The layer has no file of the name that it links to."""


_TYPES = {
    tarfile.REGTYPE: EntryType.FILE, tarfile.AREGTYPE: EntryType.FILE,
    tarfile.DIRTYPE: EntryType.FOLDER, tarfile.SYMTYPE: EntryType.SYMLINK,
    tarfile.CHRTYPE: EntryType.CHARACTER_DEVICE, tarfile.BLKTYPE: EntryType.BLOCK_DEVICE,
    tarfile.FIFOTYPE: EntryType.FIFO, tarfile.LNKTYPE: EntryType.DANGLING_LINK,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Entry:
    """One path of a squashed image. A hard link has the entry of the file that it names.

    `mode` has the permission bits with setuid, setgid and sticky. `digest` is the sha256 of a
    file's content, in hex. `xattrs` has extended attributes by name, in hex. `layer` is the number
    of the layer that it comes from, from 0 at the bottom.
    """

    type: EntryType
    mode: int
    uid: int
    gid: int
    mtime_s: int
    size_bytes: int = 0
    digest: str = ""
    target: str = ""
    device: tuple[int, int] | None = None
    xattrs: Mapping[str, str] = field(default_factory=lambda: NO_XATTRS)
    layer: int = 0

    @property
    def capabilities(self) -> str:
        """The file capabilities, in hex as in security.capability; empty without any."""
        return self.xattrs.get("security.capability", "")


class Tree:
    """All paths of a squashed image, each with its `Entry`, in the order of their names.

    A folder that no layer describes, but that one has files in, has no entry. `kept` keeps some
    contents.
    """

    def __init__(self, kept: KeptContents | None = None) -> None:
        self._kept = kept
        self._overlay: Overlay[Entry] = Overlay(self._report_replaced)
        self._problems: list[str] = []

    @property
    def problems(self) -> tuple[str, ...]:
        """What the archives have and a file system cannot, such as names with `..`."""
        more = len(self._problems) - _MAX_PROBLEMS
        rest = (f"and {more} more",) if more > 0 else ()
        return (*self._problems[:_MAX_PROBLEMS], *rest)

    def apply(
        self, number: int, members: Iterable[tuple[tarfile.TarInfo, tarfile.TarFile]]
    ) -> None:
        """Apply the next layer, with the number that its entries have.

        Raises:
            InputError: it cannot be read, or has implausibly many files.
        """
        changes: Changes[Entry] = Changes()
        for member, layer in members:
            path = self._path(member.name)
            if changes.hide(path):
                continue
            entry = self._linked(changes, member) if member.islnk() else None
            entry = entry or self._entry(path, member, layer, number)
            changes.add(path, entry, is_folder=entry.type is EntryType.FOLDER)
        self._overlay.apply(changes)
        self._problems += (printable(one) for one in changes.odd)

    def get(self, path: str) -> Entry | None:
        """Return the entry at an absolute path, None if there is none. Links are not followed."""
        found = self._overlay.at(path)
        return found.node if isinstance(found, Folder) else found

    def entries(self) -> Iterator[tuple[str, Entry]]:
        """Yield each absolute path below the root and its entry, sorted by path components."""
        for path, found in self._overlay.below("/"):
            entry = found.node if isinstance(found, Folder) else found
            if entry is not None:
                yield path, entry

    def __len__(self) -> int:
        return sum(1 for _ in self.entries())

    def _path(self, name: str) -> str:
        path = posixpath.normpath("/" + name.lstrip("/"))
        if ".." in name.split("/"):
            self._problems.append(f"the name {_shown(name)} leads upwards; taken as {_shown(path)}")
        elif not name.isprintable():
            self._problems.append(f"the name {_shown(name)} has unprintable characters")
        elif len(name) > MAX_PATH:
            self._problems.append(f"the name {_shown(name)}... has {len(name)} characters")
        return path

    def _linked(self, changes: Changes[Entry], member: tarfile.TarInfo) -> Entry | None:
        target = posixpath.normpath("/" + member.linkname.lstrip("/"))
        entry = changes.nodes.get(target) or self.get(target)
        if entry is None or entry.type is EntryType.FOLDER:
            name, to = _shown(member.name), _shown(member.linkname)
            self._problems.append(f"the hard link {name} names {to}, which is not a file")
            return None
        return entry

    def _entry(
        self, path: str, member: tarfile.TarInfo, layer: tarfile.TarFile, number: int
    ) -> Entry:
        kind = _TYPES[member.type]
        is_device = kind in (EntryType.CHARACTER_DEVICE, EntryType.BLOCK_DEVICE)
        has_target = kind in (EntryType.SYMLINK, EntryType.DANGLING_LINK)
        return Entry(
            type=kind, mode=member.mode & 0o7777, uid=member.uid, gid=member.gid,
            mtime_s=int(member.mtime), size_bytes=member.size,
            digest=self._digest(path, member, layer) if kind is EntryType.FILE else "",
            target=member.linkname if has_target else "",
            device=(member.devmajor, member.devminor) if is_device else None,
            xattrs=_xattrs(member), layer=number,
        )  # fmt: skip

    def _digest(self, path: str, member: tarfile.TarInfo, layer: tarfile.TarFile) -> str:
        if not member.size:
            return _EMPTY
        content = cast("IO[bytes]", layer.extractfile(member))
        if self._kept is not None:
            return self._kept.digest_of(path, member.size, content)
        return digest(content.read(_READ_BYTES), content)

    def _report_replaced(self, path: str, entry: Entry) -> None:
        problem = f"{_shown(path)}, a {entry.type}, has files below it; taken as a folder"
        self._problems.append(problem)


_EMPTY = hashlib.sha256().hexdigest()


def _xattrs(member: tarfile.TarInfo) -> Mapping[str, str]:
    found = {
        name.removeprefix(_XATTR): value.encode("utf-8", "surrogateescape").hex()
        for name, value in member.pax_headers.items()
        if name.startswith(_XATTR)
    }
    return found or NO_XATTRS


def _shown(name: str) -> str:
    return repr(name[:_MAX_SHOWN])
