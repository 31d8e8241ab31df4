"""The files of a squashed image with everything that a comparison of contents needs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

NO_XATTRS: Mapping[str, str] = MappingProxyType({})


class EntryType(StrEnum):
    """What a path is."""

    FILE = "file"
    FOLDER = "folder"
    SYMLINK = "symlink"
    CHARACTER_DEVICE = "character device"
    BLOCK_DEVICE = "block device"
    FIFO = "FIFO"


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
    xattrs: Mapping[str, str] = NO_XATTRS
    layer: int = 0

    @property
    def capabilities(self) -> str:
        """The file capabilities, in hex as in security.capability; empty without any."""
        return self.xattrs.get("security.capability", "")


class Tree:
    """All paths of a squashed image, each with its `Entry`, in the order of their names.

    `problems` names what the archives have and a file system cannot, such as names with `..`.
    """

    problems: tuple[str, ...] = ()

    def get(self, path: str) -> Entry | None:
        """Return the entry at an absolute path, None if there is none. Links are not followed."""
        raise NotImplementedError

    def entries(self) -> Iterator[tuple[str, Entry]]:
        """Yield each absolute path and its entry, sorted by path components."""
        raise NotImplementedError

    def __len__(self) -> int:
        raise NotImplementedError
