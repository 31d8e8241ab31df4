"""The programs and links that result from applying an image's layers in order.

Only names and modes are kept. Member names are compared, never used as paths of the host, and
contents are not read here. Source: OCI image specification 1.0, layer.md (whiteouts).
"""

from __future__ import annotations

import posixpath
import tarfile
from collections import deque
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field

from harness.model.errors import InputError

_WHITEOUT = ".wh."
_OPAQUE = ".wh..wh..opq"
# Images made from an ostree commit have each file here first, named by its checksum, and then a
# hard link to it at its path.
_OBJECTS = "/sysroot/ostree/"
_MAX_LINKS = 40  # as Linux follows
_MAX_NODES = 2_000_000
_MAX_PATH = 4096


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

    A path that ends with a slash is a folder.
    """

    def __init__(self, wanted: Collection[str] = ()) -> None:
        self._wanted = tuple(wanted)
        self._nodes: dict[str, _Node] = {}

    def apply(self, number: int, members: Iterable[tarfile.TarInfo]) -> None:
        """Apply the next layer; `number` identifies it in a `MemberPlace`.

        Raises:
            InputError: the layer has implausibly many files.
        """
        layer = _Layer(number=number, wanted=self._wanted)
        for member in members:
            layer.take(member)
            if len(layer.names) > _MAX_NODES:
                problem = f"a layer with more than {_MAX_NODES} files"
                raise InputError("the image", problem, "Check how the image was built.")
        kept = {path: node for path, node in self._nodes.items() if not layer.hides(path)}
        self._nodes = kept | layer.nodes

    def place(self, path: str) -> MemberPlace | None:
        """Return the place of a file's content; known only for programs and `wanted` paths."""
        node = self._nodes.get(self.real(path) or "")
        return node.place if isinstance(node, _File) else None

    def programs(self, folder: str) -> Iterator[tuple[str, str]]:
        """Yield the path of each program below `folder`, and this path with links followed."""
        below = f"{self.real(folder)}/"
        for path in self._nodes:
            if path.startswith(below) and (real := self.real(path)):
                node = self._nodes.get(real)
                if isinstance(node, _File) and node.is_program:
                    yield f"{folder}/{path.removeprefix(below)}", real

    def files(self, folder: str) -> Iterator[str]:
        """Yield each file and link below `folder` that is kept."""
        return (path for path in self._nodes if path.startswith(f"{folder}/"))

    def real(self, path: str) -> str | None:
        """Return `path` with all links followed, None if they form a loop."""
        here, parts, followed = "/", deque(path.split("/")), 0
        while parts:
            part = parts.popleft()
            ahead = posixpath.normpath(posixpath.join(here, part))
            target = self._nodes.get(ahead)
            if not isinstance(target, str):
                here = ahead
                continue
            followed += 1
            if followed > _MAX_LINKS:
                return None
            here = "/" if target.startswith("/") else here
            parts.extendleft(reversed(target.split("/")))
        return here


@dataclass(slots=True, kw_only=True)
class _Layer:
    """One layer: what it adds, and what it hides in the layers below."""

    number: int
    wanted: tuple[str, ...]
    nodes: dict[str, _Node] = field(default_factory=dict)
    names: set[str] = field(default_factory=set)
    closed: set[str] = field(default_factory=set)
    objects: dict[str, str] = field(default_factory=dict)

    def take(self, member: tarfile.TarInfo) -> None:
        path = path_of(member)
        if path is None:
            return
        folder, name = posixpath.split(path)
        if name == _OPAQUE:
            self.closed.add(folder)
        elif name.startswith(_WHITEOUT):
            hidden = posixpath.join(folder, name.removeprefix(_WHITEOUT))
            self.names.add(hidden)
            self.closed.add(hidden)
        else:
            self._add(path, member)

    def hides(self, path: str) -> bool:
        """Return whether this layer removes or replaces a path of a lower layer."""
        if path in self.names:
            return True
        folder = path
        while (folder := posixpath.dirname(folder)) != "/":
            if folder in self.closed:
                return True
        return "/" in self.closed

    def _add(self, path: str, member: tarfile.TarInfo) -> None:
        self.names.add(path)
        self.nodes.pop(path, None)
        if member.isdir():
            return
        self.closed.add(path)
        node = self._node(path, member)
        if path.startswith(_OBJECTS):
            if isinstance(node, str):
                self.objects[path] = node
        elif node is not None:
            self.nodes[path] = node

    def _node(self, path: str, member: tarfile.TarInfo) -> _Node | None:
        if member.issym():
            return member.linkname
        if not (member.isreg() or member.islnk()):
            return None
        source = clean(member.linkname) if member.islnk() else path
        if source in self.objects:
            return self.objects[source]  # a second name of a symbolic link
        is_program = bool(member.mode & 0o111)
        if source is None or not (is_program or self._is_wanted(path)):
            return None
        return _File(place=MemberPlace(layer=self.number, member=source), is_program=is_program)

    def _is_wanted(self, path: str) -> bool:
        return any(
            path.startswith(one) if one.endswith("/") else path == one for one in self.wanted
        )


def path_of(member: tarfile.TarInfo) -> str | None:
    """Return a member's path from the root of the image, None for one outside of it."""
    return clean(member.name)


def clean(name: str) -> str | None:
    """Return a name in a layer as a path from the root, None for an implausible one."""
    is_odd = len(name) > _MAX_PATH or not name.isprintable() or ".." in name.split("/")
    return None if is_odd else posixpath.normpath("/" + name.lstrip("/"))
