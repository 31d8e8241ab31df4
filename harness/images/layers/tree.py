"""The programs and links that result from applying an image's layers in order.

Only names and modes are kept. Member names are compared, never used as paths of the host, and
contents are not read here.
"""

from __future__ import annotations

import posixpath
import tarfile
from collections import deque
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

from harness.images.layers.overlay import MAX_PATH, Changes, Folder, Overlay
from harness.model.clock import Deadline
from harness.model.errors import DeadlineError

# Images made from an ostree commit have each file here first, named by its checksum, and then a
# hard link to it at its path.
_OBJECTS = "/sysroot/ostree/"
_MAX_LINKS = 40  # as Linux follows
_MAX_STEPS = 256  # to follow all links of one path; real paths have some twenty parts


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberPlace:
    """The place of a file's content: the number of the layer, and the member in its archive."""

    layer: int
    member: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _File:
    place: MemberPlace
    is_program: bool


_Node = _File | str  # a file, or the target of a symbolic link


class Tree:
    """The programs and symbolic links of an image, and the files at or below the paths `wanted`.

    A path that ends with a slash is a folder. Following links ends at the deadline.
    """

    def __init__(self, wanted: Collection[str], deadline: Deadline) -> None:
        self._deadline = deadline
        self._wanted_paths = {path for path in wanted if not path.endswith("/")}
        self._wanted_folders = tuple(path for path in wanted if path.endswith("/"))
        self._nodes: Overlay[_Node] = Overlay()

    def apply(self, number: int, members: Iterable[tarfile.TarInfo]) -> None:
        """Apply the next layer; `number` identifies it in a `MemberPlace`.

        Raises:
            InputError: the layer has implausibly many files.
        """
        changes: Changes[_Node] = Changes()
        links: dict[str, str] = {}  # that are objects
        for member in members:
            path = path_of(member)
            if path is None or changes.hide(path):
                continue
            if member.isdir():
                changes.add(path, None, is_folder=True)
                continue
            node = self._node(path, member, number, links)
            if path.startswith(_OBJECTS):
                links.update({path: node} if isinstance(node, str) else {})
                node = None
            changes.add(path, node)
        self._nodes.apply(changes)

    def place(self, path: str) -> MemberPlace | None:
        """Return the place of a file's content; known only for programs and `wanted` paths."""
        node = self._nodes.at(self.real(path) or "")
        return node.place if isinstance(node, _File) else None

    def programs(self, folder: str) -> Iterator[tuple[str, str]]:
        """Yield the path of each program below `folder`, and this path with links followed."""
        start = self.real(folder) or ""
        for path in self.files(start):
            if real := self.real(path):
                node = self._nodes.at(real)
                if isinstance(node, _File) and node.is_program:
                    yield f"{folder}{path.removeprefix(start)}", real

    def files(self, folder: str) -> Iterator[str]:
        """Yield each file and link below `folder` that is kept."""
        below = self._nodes.below(folder)
        return (path for path, node in below if not isinstance(node, Folder))

    def real(self, path: str) -> str | None:
        """Return `path` with all links followed, None if they form a loop or lead too far."""
        if self._deadline.is_over:
            limit_s = self._deadline.limit_s
            raise DeadlineError("reading the image", limit_s, "not all of its links are followed")
        here, parts, followed = "/", deque(path.split("/")), 0
        for _ in range(_MAX_STEPS):
            if not parts:
                return here
            part = parts.popleft()
            ahead = posixpath.normpath(posixpath.join(here, part))
            if len(ahead) > MAX_PATH:
                return None
            target = self._nodes.at(ahead)
            if not isinstance(target, str):
                here = ahead
                continue
            followed += 1
            if followed > _MAX_LINKS:
                return None
            here = "/" if target.startswith("/") else here
            parts.extendleft(reversed(target.split("/")))
        return None

    def _node(
        self, path: str, member: tarfile.TarInfo, number: int, links: dict[str, str]
    ) -> _Node | None:
        if member.issym():
            return member.linkname if len(member.linkname) < MAX_PATH else None
        if not (member.isreg() or member.islnk()):
            return None
        source = clean(member.linkname) if member.islnk() else path
        if source in links:
            return links[source]  # a second name of a symbolic link
        is_program = bool(member.mode & 0o111)
        if source is None or not (is_program or self._is_wanted(path)):
            return None
        return _File(place=MemberPlace(layer=number, member=source), is_program=is_program)

    def _is_wanted(self, path: str) -> bool:
        return path in self._wanted_paths or path.startswith(self._wanted_folders)


def path_of(member: tarfile.TarInfo) -> str | None:
    """Return a member's path from the root of the image, None for one outside of it."""
    return clean(member.name)


def clean(name: str) -> str | None:
    """Return a name in a layer as a path from the root, None for an implausible one."""
    is_odd = len(name) > MAX_PATH or not name.isprintable() or ".." in name.split("/")
    return None if is_odd else posixpath.normpath("/" + name.lstrip("/"))
