"""A model of a loss of power: all states in which a disk may be found after it.

`crashes` plays what writes files, and stops at each call that changes a folder or waits for the
disk. What may be on the disk at such a point is made from what was promised until then:

- A file that was synced has the bytes it had then, or newer ones. Other bytes may be there, cut,
  zero or missing.
- A folder has the names of its last sync or of any later moment, in their order: file systems with
  a journal keep the order of names, and nothing else.

Sources: fsync(2); Pillai et al., "All File Systems Are Not Created Equal", OSDI 2014.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import wraps
from pathlib import Path
from typing import Any

import pytest

_CHANGES = ("fsync", "replace", "rename", "link", "unlink", "remove", "rmdir", "mkdir", "symlink")
State = dict[str, bytes | None]
"""The content of each file by its path; None for a folder."""
Names = dict[str, int | None]
"""The inode of each file by its path; None for a folder."""


@dataclass
class _Disk:
    root: Path
    names: list[Names] = field(default_factory=list)
    synced: dict[int, bytes] = field(default_factory=dict)
    _open: dict[int, int] = field(default_factory=dict)

    def look(self) -> None:
        """Note which files there are. Each stays open, so that its inode is not used again."""
        now: Names = {}
        for path in sorted(self.root.rglob("*")):
            found = path.lstat()
            now[str(path.relative_to(self.root))] = None if path.is_dir() else found.st_ino
            if path.is_file() and found.st_ino not in self._open:
                self._open[found.st_ino] = os.open(path, os.O_RDONLY)
        if not self.names or self.names[-1] != now:
            self.names.append(now)

    def sync(self, descriptor: int) -> None:
        path = Path(f"/proc/self/fd/{descriptor}").readlink()
        if path.is_dir():
            self.look()
            del self.names[:-1]
            return
        found = os.fstat(descriptor)
        with open(f"/proc/self/fd/{descriptor}", "rb") as file:  # noqa: PTH123 - a descriptor
            self.synced[found.st_ino] = file.read()
        # One that has no name yet gets one later.
        self._open.setdefault(found.st_ino, os.dup(descriptor))

    def states(self) -> Iterator[State]:
        """Yield what may be on the disk."""
        for names in self.names:
            files = {path: self._contents(inode) for path, inode in names.items() if inode}
            folders = {path: None for path, inode in names.items() if inode is None}
            yield {**folders, **{path: found[0] for path, found in files.items()}}
            for path, found in files.items():
                for content in found[1:]:
                    yield {**folders, **{p: f[0] for p, f in files.items()}, path: content}
            yield {**folders, **{path: found[-1] for path, found in files.items()}}

    def _contents(self, inode: int) -> list[bytes]:
        """Return what a file may have, the worst last."""
        with open(f"/proc/self/fd/{self._open[inode]}", "rb") as file:  # noqa: PTH123
            now = file.read()
        synced = self.synced.get(inode)
        if synced == now:
            return [now]
        half = len(now) // 2
        worse = [now[:half], bytes(half) + now[half:], bytes(len(now)), synced or b""]
        return [now, *(content for content in worse if content != now)]


def crashes(
    act: Callable[[], object], root: Path, check: Callable[[Path], object], scratch: Path
) -> list[State]:
    """Call `check` with a folder for each state in which `root` may be found.

    `act` changes `root`. The state before it is on the disk. Returns the states after it has ended.
    """
    disk = _Disk(root)
    for path in root.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                disk.sync(file.fileno())
    disk.look()
    seen: set[str] = set()

    def stop() -> None:
        disk.look()
        for state in disk.states():
            if repr(state) not in seen:
                seen.add(repr(state))
                _made(state, scratch / "found")
                check(scratch / "found")

    with _stopping(disk, stop):
        act()
    stop()
    return [*disk.states()]


@contextmanager
def _stopping(disk: _Disk, stop: Callable[[], None]) -> Iterator[None]:
    is_checking = False

    def wrapped(name: str) -> Callable[..., Any]:
        original = getattr(os, name)

        @wraps(original)
        def call(*args: Any, **names: Any) -> Any:  # noqa: ANN401 - those of any function of `os`
            nonlocal is_checking
            if is_checking:
                return original(*args, **names)
            is_checking = True
            try:
                stop()
                found = original(*args, **names)
                if name == "fsync":
                    disk.sync(args[0])
                stop()
            finally:
                is_checking = False
            return found

        return call

    with pytest.MonkeyPatch.context() as patch:
        for name in _CHANGES:
            patch.setattr(os, name, wrapped(name))
        yield


def _made(state: State, folder: Path) -> None:
    if folder.exists():
        for path in (folder, *folder.rglob("*")):
            path.chmod(0o700)
        shutil.rmtree(folder)
    folder.mkdir(mode=0o700)
    for name, content in sorted(state.items()):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        if content is None:
            path.mkdir(exist_ok=True, mode=0o700)
        else:
            path.write_bytes(content)
