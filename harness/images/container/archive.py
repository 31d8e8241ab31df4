"""Check archives and folders of container images before skopeo reads them.

skopeo 1.9 follows a symbolic link that it has just unpacked, so an archive can write any file of
the host as the user who runs it. This reader accepts only what the two formats need. It is
stricter than Go's archive/tar, which skopeo uses, and refuses what that could read differently.

Sources: POSIX.1-2017, pax, "ustar Interchange Format"; OCI image specification 1.0,
image-layout.md; containers/image, docker/internal/tarfile, for the links of `docker save`.
"""

from __future__ import annotations

import io
import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from harness import regular_file
from harness.images.acquire.compression import DAMAGE, opened
from harness.images.oci import layout_image
from harness.images.reference import Reference, Transport
from harness.model.clock import Deadline
from harness.model.errors import DeadlineError, InputError

_BLOCK_BYTES = 512
_READ_BYTES = 1 << 20
# skopeo unpacks all of an archive, whatever its compressed size.
MAX_BYTES = 32 << 30
_MAX_MEMBERS = 10_000
_MAX_EXTENSION_BYTES = 1 << 20

_NAME_AT, _SIZE_AT, _SUM_AT = slice(0, 100), slice(124, 136), slice(148, 156)
_KIND_AT, _LINK_AT, _PREFIX_AT = slice(156, 157), slice(157, 257), slice(345, 500)
_NAME = re.compile(r"[A-Za-z0-9._/-]{1,100}")
_NUMBER = re.compile(rb" *([0-7]+)[ \0]*")
# Records of an extended header that would replace what the header says.
_OVERRIDES = (b" path=", b" linkpath=", b" size=", b" GNU.sparse")

_FILES, _FOLDER, _SYMLINK, _EXTENSION = (b"0", b"\0"), b"5", b"2", b"x"
_OTHERS = {
    b"1": "a hard link", _SYMLINK: "a symbolic link", b"3": "a device", b"4": "a device",
    b"6": "a FIFO", b"L": "a long name", b"K": "a long link target", b"g": "a global header",
}  # fmt: skip
# `docker save` links layers that it has saved already; skopeo reads those archives in place.
_KINDS = {
    Transport.OCI_ARCHIVE: (*_FILES, _FOLDER, _EXTENSION),
    Transport.DOCKER_ARCHIVE: (*_FILES, _FOLDER, _EXTENSION, _SYMLINK),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Header:
    kind: bytes
    name: str
    target: str
    size_bytes: int


def require_safe(reference: Reference, deadline: Deadline, *, max_bytes: int = MAX_BYTES) -> None:
    """Require that an archive has only members that its format needs, and a folder only files.

    It reads the whole archive, decompressed, which takes about a second per GiB. References
    elsewhere pass.

    Raises:
        InputError: it cannot be read, or has other members.
        DeadlineError: the deadline has passed.
    """
    layout_image.require_files(reference)
    kinds = _KINDS.get(reference.transport)
    if kinds is None:
        return
    path = Path(reference.rest.partition(":")[0])
    try:
        with io.BufferedReader(regular_file.open_raw(path, follows_links=True)) as file:
            for header in _headers(opened(file), max_bytes, deadline):
                _check(header, kinds)
    except (*DAMAGE, ValueError) as exc:
        problem = f"not a safe archive of an image: {exc}"
        remedy = f"Write it again with `skopeo copy IMAGE {reference.transport.prefix}FILE`."
        raise InputError(str(reference), problem, remedy) from exc
    except OSError as exc:
        problem = f"cannot be read: {exc.strerror or exc}"
        raise InputError(str(reference), problem, "Check the path.") from exc


def _headers(stream: IO[bytes], max_bytes: int, deadline: Deadline) -> Iterator[_Header]:
    """Yield the header of each member, up to the two zero blocks at the end."""
    total_bytes = 0
    for _ in range(_MAX_MEMBERS):
        block = _exactly(stream, _BLOCK_BYTES)
        if not any(block):
            if any(_exactly(stream, _BLOCK_BYTES)):
                raise ValueError("a member follows a zero block")
            return
        header = _parse(block)
        yield header
        total_bytes += header.size_bytes
        if total_bytes > max_bytes:
            raise ValueError(f"its members have more than {max_bytes >> 30} GiB")
        if header.kind == _EXTENSION:
            _check_extension(_exactly(stream, _padded(header.size_bytes)))
        else:
            _skip(stream, _padded(header.size_bytes), deadline)
    raise ValueError(f"it has more than {_MAX_MEMBERS} members")


def _parse(block: bytes) -> _Header:
    size, wanted = _NUMBER.fullmatch(block[_SIZE_AT]), _NUMBER.fullmatch(block[_SUM_AT])
    blanked = block[: _SUM_AT.start] + b" " * 8 + block[_SUM_AT.stop :]
    if wanted is None or int(wanted[1], 8) != sum(blanked):
        raise ValueError("not a tar header, or a damaged one")
    name = _text(block[_NAME_AT])
    if size is None:
        raise ValueError(f"the member {name!r} has an implausible size")
    if any(block[_PREFIX_AT]):
        raise ValueError(f"the name of a member, .../{name!r}, has more than 100 bytes")
    return _Header(
        kind=block[_KIND_AT], name=name, target=_text(block[_LINK_AT]), size_bytes=int(size[1], 8)
    )


def _check(header: _Header, kinds: tuple[bytes, ...]) -> None:
    """Raise ValueError for a member that the format does not need."""
    if header.kind not in kinds:
        kind = _OTHERS.get(header.kind, f"of the unknown kind {header.kind!r}")
        raise ValueError(f"the member {header.name!r} is {kind}")
    if header.kind == _EXTENSION:
        if header.size_bytes > _MAX_EXTENSION_BYTES:
            raise ValueError(f"an extended header has {header.size_bytes} bytes")
        return
    if not _NAME.fullmatch(header.name) or _leads_out(header.name):
        raise ValueError(f"the name {header.name!r} of a member is not one of an image's files")
    if header.kind in _FILES and header.name.endswith("/"):
        raise ValueError(f"the file {header.name!r} has the name of a folder")
    if header.kind not in _FILES and header.size_bytes:
        raise ValueError(f"the member {header.name!r} is not a file but has content")
    if header.kind == _SYMLINK and _leads_out(header.target, posixpath.dirname(header.name)):
        raise ValueError(f"the link {header.name!r} leads out of the archive")


def _leads_out(path: str, folder: str = "") -> bool:
    if path.startswith("/") or (not folder and ".." in path.split("/")):
        return True
    return posixpath.normpath(posixpath.join(folder, path)).startswith("..")


def _check_extension(content: bytes) -> None:
    found = next((key for key in _OVERRIDES if key in content), None)
    if found is not None:
        name = found.decode().strip(" =")
        raise ValueError(f"an extended header replaces the {name} of a member")


def _exactly(stream: IO[bytes], size_bytes: int) -> bytes:
    block = stream.read(size_bytes)
    if len(block) != size_bytes:
        raise EOFError("it is truncated")
    return block


def _skip(stream: IO[bytes], size_bytes: int, deadline: Deadline) -> None:
    while size_bytes:
        size_bytes -= len(_exactly(stream, min(size_bytes, _READ_BYTES)))
        if deadline.is_over:
            reason = f"{size_bytes} B of a member are left"
            raise DeadlineError("check of an image archive", deadline.limit_s, reason)


def _padded(size_bytes: int) -> int:
    return -(-size_bytes // _BLOCK_BYTES) * _BLOCK_BYTES


def _text(field: bytes) -> str:
    return field.partition(b"\0")[0].decode("ascii", "replace")
