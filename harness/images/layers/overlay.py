"""Paths of an image as its layers leave them, one layer on the other, in linear time.

A layer is collected before it is applied: what it hides is in lower layers only, wherever its
whiteouts stand in the archive. Folders are nested, so that hiding one takes one step. Names are
compared, never used as paths of the host. Source: OCI image specification 1.0, layer.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Generic, NamedTuple, TypeVar

from harness.model.errors import InputError

T = TypeVar("T")

_WHITEOUT = ".wh."
_OPAQUE = ".wh..wh..opq"
_MAX_NODES = 1_000_000
"""Of all layers together; the largest known images have some 300 000."""
_MAX_FOLDERS = 250_000
_MAX_NAME_BYTES = 100 << 20
MAX_PATH = 4096
"""As Linux limits paths."""


class Whiteout(NamedTuple):
    """What a whiteout hides in lower layers: a path, or what is below it if it is opaque."""

    path: str
    is_opaque: bool


def whiteout(path: str) -> Whiteout | None:
    """Return the whiteout at `path`, None for another file; one that names no file has no path."""
    folder, _, name = path.rpartition("/")
    if not name.startswith(_WHITEOUT):
        return None
    hidden = name.removeprefix(_WHITEOUT)
    if name == _OPAQUE:
        return Whiteout(folder, is_opaque=True)
    is_odd = hidden in ("", ".", "..") or hidden.startswith(_WHITEOUT)
    return Whiteout("" if is_odd else f"{folder}/{hidden}", is_opaque=False)


@dataclass(slots=True)
class Folder(Generic[T]):
    """A folder: what is known of itself, and its children by name."""

    node: T | None = None
    children: dict[str, T | Folder[T]] = field(default_factory=dict)


@dataclass(slots=True)
class Changes(Generic[T]):
    """What one layer does: paths that it removes, folders that it empties, paths that it adds.

    A path that is added without a node replaces what is there, and is not kept. `odd` names what
    the layer says and no layer should.
    """

    removed: set[str] = field(default_factory=set)
    emptied: set[str] = field(default_factory=set)
    added: list[tuple[str, T | None, bool]] = field(default_factory=list)
    nodes: dict[str, T] = field(default_factory=dict)
    odd: list[str] = field(default_factory=list)
    _count_of_names: int = 0
    _name_bytes: int = 0

    def add(self, path: str, node: T | None, *, is_folder: bool = False) -> None:
        """Add a path with its node.

        Raises:
            InputError: the layer has implausibly many files.
        """
        self._count(path)
        self.added.append((path, node, is_folder))
        if node is None:
            self.nodes.pop(path, None)
        else:
            self.nodes[path] = node

    def hide(self, path: str) -> bool:
        """Return whether `path` is a whiteout, and apply it.

        Raises:
            InputError: the layer has implausibly many files.
        """
        found = whiteout(path)
        if found is None:
            return False
        self._count(path)
        if found.is_opaque:
            self.emptied.add(found.path)
        elif found.path:
            self.removed.add(found.path)
        else:
            self.odd.append(f"the whiteout {path!r} names no file")
        return True

    def _count(self, path: str) -> None:
        self._name_bytes += len(path)
        self._count_of_names += 1
        if self._count_of_names > _MAX_NODES or self._name_bytes > _MAX_NAME_BYTES:
            raise _implausible()


class Overlay(Generic[T]):
    """Applied layers. `replaced` is called with a link or file that a layer uses as a folder."""

    def __init__(self, replaced: Callable[[str, T], None] = lambda path, node: None) -> None:
        self._root: Folder[T] = Folder()
        self._replaced = replaced
        self._added = self._made_folders = self._name_bytes = 0

    def apply(self, changes: Changes[T]) -> None:
        """Apply the next layer.

        Raises:
            InputError: the layers so far have implausibly many files or folders.
        """
        self._added += len(changes.added)
        self._name_bytes += sum(len(path) for path, _, _ in changes.added)
        if self._added > _MAX_NODES or self._name_bytes > _MAX_NAME_BYTES:
            raise _implausible()
        for path in changes.removed:
            folder, _, name = path.rpartition("/")
            if isinstance(parent := self.at(folder), Folder):
                parent.children.pop(name, None)
        for path in changes.emptied:
            if isinstance(emptied := self.at(path), Folder):
                emptied.children.clear()
        last, parent = "", self._root
        for path, node, is_folder in changes.added:
            if path == "/":
                self._root.node = node
                continue
            folder, _, name = path.rpartition("/")
            if folder != last:
                last, parent = folder, self._made(folder)
            _put(parent, name, node, is_folder=is_folder)

    def at(self, path: str) -> T | Folder[T] | None:
        """Return what is at an absolute path; links are not followed."""
        here: T | Folder[T] | None = self._root
        for name in filter(None, path.split("/")):
            if not isinstance(here, Folder):
                return None
            here = here.children.get(name)
        return here

    def below(self, path: str) -> Iterator[tuple[str, T | Folder[T]]]:
        """Yield each path below a folder with what is there, sorted by components."""
        start = self.at(path)
        prefix = path.rstrip("/")
        stack = [_sorted(prefix, start)] if isinstance(start, Folder) else []
        while stack:
            for here, item in stack[-1]:
                yield here, item
                if isinstance(item, Folder):
                    stack.append(_sorted(here, item))
                    break
            else:
                stack.pop()

    def _made(self, path: str) -> Folder[T]:
        here, so_far = self._root, ""
        for name in filter(None, path.split("/")):
            so_far = f"{so_far}/{name}"
            child = here.children.get(name)
            if not isinstance(child, Folder):
                if child is not None:
                    self._replaced(so_far, child)
                child = here.children[name] = Folder()
                self._made_folders += 1
                if self._made_folders > _MAX_FOLDERS:
                    raise _implausible()
            here = child
        return here


def _implausible() -> InputError:
    problem = f"more than {_MAX_NODES} files or {_MAX_FOLDERS} folders, or implausibly long names"
    return InputError("the image", problem, "Check how the image was built.")


def _put(parent: Folder[T], name: str, node: T | None, *, is_folder: bool) -> None:
    if is_folder:
        there = parent.children.get(name)
        if isinstance(there, Folder):
            there.node = node
        else:
            parent.children[name] = Folder(node)
    elif node is None:
        parent.children.pop(name, None)
    else:
        parent.children[name] = node


def _sorted(prefix: str, folder: Folder[T]) -> Iterator[tuple[str, T | Folder[T]]]:
    return ((f"{prefix}/{name}", child) for name, child in sorted(folder.children.items()))
