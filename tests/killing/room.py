"""Namespaces in which runs are killed: what is left in them is the runs' and nobody else's.

Processes, network, mounts, System V's shared memory; `/tmp`, `/var/tmp`, `/run` and `/dev/shm` are
empty at first. An ordinary user gets them with user namespaces.
Source: unshare(1), mount(8), netdevice(7).
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shutil
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness import folders, temporary
from killing.leftovers import Place

ROOT = Path(__file__).parents[2]
VAR_TMP = Path("/var/tmp")  # noqa: S108
_COVERED = (Path("/tmp"), VAR_TMP, Path("/run"), Path("/dev/shm"))  # noqa: S108
_SET_FLAGS, _GET_FLAGS, _UP = 0x8914, 0x8913, 1
_KEPT = re.compile(
    r"node-image-\d+(?:/gate|/ports(?:/\d+)?)?|libvirt(?:/common(?:/system\.token)?|/hostdevmgr)?"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """The folder of a room, with what runs keep: artifacts, cache, home."""

    base: Path

    @property
    def artifacts(self) -> Path:
        return self.base / "artifacts"

    @property
    def cache(self) -> Path:
        return self.base / "cache" / "pytest-node-image"

    @property
    def home(self) -> Path:
        return self.base / "home"

    def cover_of(self, path: Path) -> Path:
        """Return the folder that covers one of the host's temporary folders."""
        return _covers(self.base)[_COVERED.index(path)]

    @property
    def place(self) -> Place:
        """Where runs can leave something; docs/security.md lists what stays."""
        return Place(
            empty=(*_COVERED, self.home), results=(self.artifacts, self.cache), kept=_KEPT,
            hidden=_needed(self.base),
        )  # fmt: skip

    @property
    def env(self) -> dict[str, str]:
        """The environment of runs, without what the caller's would change in them."""
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith("NODE_IMAGE_") and name not in ("TMPDIR", "ARTIFACT_DIR")
        }
        path = os.pathsep.join(map(str, (ROOT, ROOT / "tests", ROOT / "tests/boot", *sys.path)))
        return {
            **kept, "HOME": str(self.home), "XDG_CACHE_HOME": str(self.cache.parent),
            "PYTHONPATH": path, "PYTHONUNBUFFERED": "1", "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONFAULTHANDLER": "1",
        }  # fmt: skip


@contextlib.contextmanager
def made() -> Iterator[Room]:
    """Make a room's folder, with what the user's cache has but the large images; then remove it."""
    with temporary.folder() as base:
        room = Room(base=base)
        for folder in (room.artifacts, room.cache, room.home, *_covers(base)):
            folder.mkdir(parents=True)
        real = folders.cache_dir()
        for name in ("downloads", "inspections", "libvirt"):
            if (real / name).is_dir():
                shutil.copytree(real / name, room.cache / name)
        (room.cache / "standin").symlink_to(real / "standin")
        yield room


def command(argv: Sequence[str]) -> tuple[str, ...]:
    """Return the command that runs a Python module in namespaces of its own.

    It needs the room's environment. Nothing that it starts outlives it.
    """
    user = () if os.geteuid() == 0 else ("--user", "--map-current-user", "--keep-caps")
    return (
        "unshare", *user, "--mount", "--pid", "--net", "--ipc", "--fork", "--mount-proc",
        "--kill-child", "--propagation", "private", sys.executable, "-m", *argv,
    )  # fmt: skip


def furnish(room: Room) -> None:
    """Cover the host's temporary folders by empty ones, and switch the loopback on; once inside.

    The caller goes on as the child of an init: libvirt waits for the end of daemons, which is not
    there before somebody has waited for them.
    """
    _leave_to_init()
    needed = {path: os.open(path, os.O_PATH) for path in _needed(room.base)}
    covers = [os.open(path, os.O_PATH) for path in _covers(room.base)]
    for path, cover in zip(_COVERED, covers, strict=True):
        _bind(cover, path)
    for path, descriptor in needed.items():
        path.mkdir(parents=True, exist_ok=True)
        _bind(descriptor, path)
    for descriptor in (*needed.values(), *covers):
        os.close(descriptor)
    _switch_loopback_on()


def _leave_to_init() -> None:
    """Return in a child; this process waits for all orphans, and ends with the child's status."""
    child = os.fork()
    while child:
        ended, status = os.wait()
        if ended == child:
            code = os.waitstatus_to_exitcode(status)
            os._exit(code if code >= 0 else 128 - code)


def _covers(base: Path) -> tuple[Path, ...]:
    return tuple(base / f"cover-{number}" for number in range(len(_COVERED)))


def _needed(base: Path) -> tuple[Path, ...]:
    """Return the folders below the covered ones that runs need, such as this repository."""
    wanted = {base, ROOT, Path(sys.prefix), Path(sys.base_prefix), folders.cache_path()}
    wanted |= {Path(path) for path in sys.path if Path(path).is_dir()}
    wanted |= {(folders.cache_path() / "standin").resolve()}
    below = {path for path in wanted if any(root in path.parents for root in _COVERED)}
    return tuple(sorted(path for path in below if not below & set(path.parents)))


def _bind(source: int, target: Path) -> None:
    # Canonical, the path of the descriptor would be the one that is covered.
    argv = ("mount", "--no-canonicalize", "--rbind", f"/proc/self/fd/{source}", os.fspath(target))
    subprocess.run(argv, check=True, pass_fds=(source,))


def _switch_loopback_on() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        asked = struct.pack("16sh14x", b"lo", 0)
        _, flags = struct.unpack("16sh14x", fcntl.ioctl(any_socket, _GET_FLAGS, asked))
        fcntl.ioctl(any_socket, _SET_FLAGS, struct.pack("16sh14x", b"lo", flags | _UP))
