"""Entries of layers, the archives made of them, and what is left when layers are applied."""

from __future__ import annotations

import tarfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache

CAPABILITY = "security.capability"
NET_ADMIN = bytes.fromhex("0100000200100000000000000000000000000000")
"""The value of `cap_net_admin=ep`. Source: linux/capability.h, struct vfs_cap_data."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One member of a layer; `target` is that of a link."""

    path: str
    kind: bytes = tarfile.REGTYPE
    content: bytes = b""
    mode: int = 0o644
    uid: int = 0
    gid: int = 0
    target: str = ""
    xattrs: Mapping[str, bytes] = field(default_factory=dict, hash=False)


def file(path: str, content: bytes | str = "", mode: int = 0o644) -> Entry:
    raw = content.encode() if isinstance(content, str) else content
    return Entry(path=path, content=raw, mode=mode)


def folder(path: str) -> Entry:
    return Entry(path=path, kind=tarfile.DIRTYPE, mode=0o755)


def symlink(path: str, target: str) -> Entry:
    return Entry(path=path, kind=tarfile.SYMTYPE, mode=0o777, target=target)


def hard_link(path: str, to: Entry) -> Entry:
    return replace(to, path=path, kind=tarfile.LNKTYPE, content=b"", target=to.path)


def whiteout(path: str) -> Entry:
    parent, slash, name = path.rpartition("/")
    return file(f"{parent}{slash}.wh.{name}")


def opaque(path: str) -> Entry:
    return file(f"{path}/.wh..wh..opq")


def packed(entries: Iterable[Entry]) -> bytes:
    """Return an uncompressed layer; the same entries give the same bytes."""
    members = (_padded(_header(entry) + entry.content, tarfile.BLOCKSIZE) for entry in entries)
    return _padded(b"".join(members) + bytes(2 * tarfile.BLOCKSIZE), tarfile.RECORDSIZE)


def _padded(content: bytes, to: int) -> bytes:
    return content + bytes(-len(content) % to)


@lru_cache(1 << 14)
def _header(entry: Entry) -> bytes:
    """Return what precedes the content. Tests pack the same entries hundreds of times."""
    return member(entry).tobuf(tarfile.PAX_FORMAT, tarfile.ENCODING, "surrogateescape")


def member(entry: Entry) -> tarfile.TarInfo:
    """Return the header of an entry."""
    made = tarfile.TarInfo(entry.path)
    made.type, made.mode, made.size = entry.kind, entry.mode, len(entry.content)
    made.uid, made.gid, made.linkname = entry.uid, entry.gid, entry.target
    # As GNU tar, podman and buildah do: bytes, which Python's tarfile keeps as surrogates.
    made.pax_headers = {
        f"SCHILY.xattr.{name}": value.decode("utf-8", "surrogateescape")
        for name, value in entry.xattrs.items()
    }
    return made


def squashed(layers: Iterable[Iterable[Entry]]) -> tuple[Entry, ...]:
    """Return the entries that are left, hard links as files; parents come before what is in them.

    Written for tests only, and simply: each whiteout looks at everything below it.
    """
    found: dict[str, Entry] = {}
    for layer in layers:
        here: dict[str, Entry] = {}
        for entry in layer:
            parent, _, name = entry.path.rpartition("/")
            if name == ".wh..wh..opq":
                found = {path: one for path, one in found.items() if not _is_in(path, parent)}
            elif name.startswith(".wh."):
                gone = f"{parent}/{name[4:]}".lstrip("/")
                found = {p: one for p, one in found.items() if p != gone and not _is_in(p, gone)}
            else:
                here[entry.path] = _resolved(entry, {**found, **here})
        found |= here
    return tuple(found[path] for path in sorted(found))


def _resolved(entry: Entry, known: Mapping[str, Entry]) -> Entry:
    if entry.kind != tarfile.LNKTYPE:
        return entry
    return replace(known[entry.target], path=entry.path)


def _is_in(path: str, folder: str) -> bool:
    return path.startswith(f"{folder}/")
