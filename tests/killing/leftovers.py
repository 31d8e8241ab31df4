"""What a run left on the host: processes, ports, sockets, mounts, shared memory, files, domains.

Everything is read from /proc and from folders that belong to the run alone, and each finding has a
name. Source: proc(5), proc_pid_net(5), sysvipc(7).
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

_LISTENING = "0A"
_DOMAIN = re.compile(r".*/run-[^/]*/domains/[^/]*\.json|.*/libvirt/run/qemu/[^/]*\.xml")
_HIDDEN_TEMPORARY = re.compile(r"\..*\.[0-9a-f]{8}")


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Leftover:
    kind: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a run can leave something.

    `empty` are folders that have nothing after a run but what `kept` describes, by the path
    relative to the folder. `results` are folders of which a run keeps files on purpose: there,
    temporary files and sockets are leftovers.
    """

    empty: tuple[Path, ...]
    results: tuple[Path, ...] = ()
    kept: re.Pattern[str] = re.compile(r"(?!)")
    hidden: tuple[Path, ...] = ()
    proc: Path = Path("/proc")


def all_left(place: Place, own: Iterable[int]) -> frozenset[Leftover]:
    """Return everything that is there, except the processes `own`."""
    return frozenset(
        (
            *processes_left(place.proc, own), *ports_left(place.proc), *sockets_left(place.proc),
            *mounts_left(place.proc), *shared_memory_left(place.proc), *files_left(place),
            *domains_left(place),
        )
    )  # fmt: skip


def processes_left(proc: Path, own: Iterable[int]) -> Iterator[Leftover]:
    """Yield the processes that run; what ended and was not waited for is not one."""
    known = frozenset(own)
    for entry in proc.iterdir():
        if not entry.name.isdecimal() or int(entry.name) in known:
            continue
        try:
            state = (entry / "stat").read_text(errors="replace").rpartition(")")[2].split()[0]
            words = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
        except OSError:
            continue  # it ended meanwhile
        if state not in "ZX":
            yield Leftover(kind="process", name=f"{entry.name} {' '.join(words)[:200].strip()}")


def ports_left(proc: Path) -> Iterator[Leftover]:
    """Yield the TCP ports that somebody listens at."""
    for name in ("tcp", "tcp6"):
        for words in _table(proc / "net" / name):
            if words[3] == _LISTENING:
                yield Leftover(kind="port", name=f"{name} {_address(words[1])}")


def sockets_left(proc: Path) -> Iterator[Leftover]:
    """Yield UDP sockets, and unix sockets that have a name."""
    for name in ("udp", "udp6"):
        for words in _table(proc / "net" / name):
            yield Leftover(kind="socket", name=f"{name} {_address(words[1])}")
    for words in _table(proc / "net" / "unix"):
        if len(words) > 7:
            yield Leftover(kind="socket", name=f"unix {words[7]}")


def mounts_left(proc: Path) -> Iterator[Leftover]:
    """Yield what is mounted, by its mount point."""
    for line in _lines(proc / "self" / "mountinfo"):
        yield Leftover(kind="mount", name=line.split()[4])


def shared_memory_left(proc: Path) -> Iterator[Leftover]:
    """Yield System V's shared memory, semaphores and queues; POSIX's is in a folder."""
    for name in ("shm", "sem", "msg"):
        for words in _table(proc / "sysvipc" / name):
            yield Leftover(kind="shared memory", name=f"{name} key {words[0]} id {words[1]}")


def files_left(place: Place) -> Iterator[Leftover]:
    """Yield files and folders, the uppermost of each."""
    for root in place.empty:
        for path in _unexpected(root, root, place):
            yield Leftover(kind="file", name=str(path))
    for root in place.results:
        for path in _all_below(root):
            if _HIDDEN_TEMPORARY.fullmatch(path.name) or path.is_socket() or path.is_fifo():
                yield Leftover(kind="file", name=str(path))


def domains_left(place: Place) -> Iterator[Leftover]:
    """Yield libvirt's domains: our records of them, and those that the embedded driver keeps."""
    for root in place.empty:
        for path in _all_below(root):
            if _DOMAIN.fullmatch(str(path)):
                yield Leftover(kind="domain", name=str(path))


def _unexpected(folder: Path, root: Path, place: Place) -> Iterator[Path]:
    """Yield what is in a folder and not kept; a folder on the way to what is kept is not named."""
    try:
        paths = sorted(folder.iterdir())
    except FileNotFoundError:
        return  # removed meanwhile
    for path in paths:
        if path in place.hidden or any(path in hidden.parents for hidden in place.hidden):
            continue
        if place.kept.fullmatch(str(path.relative_to(root))):
            if path.is_dir() and not path.is_symlink():
                yield from _unexpected(path, root, place)
            continue
        yield path


def _all_below(root: Path) -> Iterator[Path]:
    """Yield all files and folders below one, also while somebody removes them."""
    for folder, folders, files in os.walk(root):
        yield from (Path(folder, name) for name in (*folders, *files))


def _table(path: Path) -> Iterator[list[str]]:
    """Yield the words of each line but the first, which has the names of the columns."""
    yield from (line.split() for line in _lines(path)[1:])


def _lines(path: Path) -> list[str]:
    return path.read_text(errors="replace").splitlines() if path.exists() else []


def _address(words: str) -> str:
    host, _, port = words.partition(":")
    if len(host) == 8:
        host = ".".join(str(byte) for byte in reversed(bytes.fromhex(host)))
    return f"{host}:{int(port, 16)}"


def own_processes() -> tuple[int, ...]:
    """Return this process and its parent, the init of the room."""
    return (os.getpid(), os.getppid())
