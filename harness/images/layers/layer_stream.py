"""The members of an image's layer: a tar archive, read once from front to back, within bounds.

tarfile trusts what a header says of sizes, searches extended headers with quadratic expressions,
and takes a damaged header for the end. So headers are read here, as strictly as by Go's
archive/tar, which unpacks the same layer on the node. tarfile parses the fixed fields and reads
contents. Sources: POSIX.1-2017, pax, "ustar Interchange Format"; tar(5) for GNU's long names; OCI
image specification 1.0, layer.md.
"""

from __future__ import annotations

import re
import struct
import tarfile
from collections.abc import Iterator, Mapping
from typing import IO, Any, BinaryIO, cast

from harness.images.acquire.compression import DAMAGE, opened
from harness.model.clock import Deadline
from harness.model.errors import DeadlineError, InputError

MAX_BYTES = 32 << 30
"""Decompressed bytes of one layer; a node image has about 4 GiB in all."""
_MAX_EXTENSION_BYTES = 1 << 20
_MAX_EXTENSIONS = 8
_READ_BYTES = 1 << 20
_MAX_DIGITS = 12
_TIME = re.compile(rf"-?[0-9]{{1,{_MAX_DIGITS}}}(\.[0-9]{{0,99}})?")

_FILES = (tarfile.REGTYPE, tarfile.AREGTYPE)
_WITHOUT_CONTENT = (
    tarfile.LNKTYPE, tarfile.SYMTYPE, tarfile.DIRTYPE,
    tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE,
)  # fmt: skip
_EXTENSIONS = (
    tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK,
)  # fmt: skip
# What tarfile and the decompressors raise for damaged or hostile bytes.
_FAULTS = (
    *DAMAGE, OSError, OverflowError, RecursionError, ValueError, struct.error, tarfile.TarError,
)  # fmt: skip


def members(
    packed: IO[bytes], subject: str, deadline: Deadline
) -> Iterator[tuple[tarfile.TarInfo, tarfile.TarFile]]:
    """Yield the members of the layer in `packed`, which may be compressed.

    A layer without a byte has none. What follows the archive's end is decompressed too, as there
    may be a checksum. `packed` needs no more than `read`. A file's content can be read by
    `extractfile` until the next member is asked for. `subject` names the image and the layer in
    errors, also in those of reading a content. A member's `pax_headers` have values with surrogates
    for what is not UTF-8.

    Raises:
        InputError: the layer is damaged, truncated, or says implausible things.
        DeadlineError: the deadline has passed.
    """
    timed = cast("BinaryIO", _Timed(packed, subject, deadline))
    try:
        plain = opened(timed)
    except DAMAGE as exc:
        raise _unreadable(subject, exc) from exc
    stream = _Bounded(plain, subject, deadline)
    try:
        with _Archive(
            fileobj=cast("Any", stream), mode="r", tarinfo=_Member, encoding="utf-8"
        ) as layer:
            while (member := layer.next()) is not None:
                yield member, layer
                cast("Any", layer).members = []  # else they pile up
        while stream.read(_READ_BYTES):
            pass
    except _FAULTS as exc:
        if not stream.tell():  # some tools write an empty layer so; Go's archive/tar reads it
            return
        raise _unreadable(subject, exc) from exc


def verified_members(
    packed: IO[bytes], subject: str, deadline: Deadline
) -> Iterator[tuple[tarfile.TarInfo, tarfile.TarFile]]:
    """Yield the same of a blob that is verified at its end, and close it.

    Only the end of the iteration says that the layer has its digest.

    Raises:
        InputError: as `members`, or the blob is not what its manifest names.
        DeadlineError: the deadline has passed.
    """
    with packed:
        yield from members(packed, subject, deadline)
        while packed.read(_READ_BYTES):  # what follows the archive's end
            pass


def _unreadable(subject: str, reason: object) -> InputError:
    problem = f"unreadable layer: {reason or type(reason).__name__}"
    return InputError(subject, problem, "Pull or push the image again.")


class _Timed:
    """What the decompressor reads. Empty frames can follow each other without a byte of content."""

    def __init__(self, packed: IO[bytes], subject: str, deadline: Deadline) -> None:
        self._packed = packed
        self._subject = subject
        self._deadline = deadline

    def read(self, size_bytes: int) -> bytes:
        if self._deadline.is_over:
            reason = "a layer is being decompressed"
            raise DeadlineError(f"reading {self._subject}", self._deadline.limit_s, reason)
        return self._packed.read(size_bytes)


class _Bounded:
    """What tarfile reads: decompressed, forward only, until the deadline or the limit.

    `wanted_bytes` is where the current member ends: a layer that ends before is truncated.
    """

    def __init__(self, stream: IO[bytes], subject: str, deadline: Deadline) -> None:
        self._stream = stream
        self._subject = subject
        self._deadline = deadline
        self._at = 0
        self.wanted_bytes = 0

    def tell(self) -> int:
        return self._at

    def seek(self, position: int) -> int:
        while self._at < position and self._block(position - self._at):
            pass
        if self._at != position:
            raise tarfile.StreamError("a layer can only be read forward")
        return position

    def read(self, size_bytes: int) -> bytes:
        """Return so many bytes, fewer only at the end."""
        blocks = []
        while size_bytes > 0 and (block := self._block(size_bytes)):
            blocks.append(block)
            size_bytes -= len(block)
        return b"".join(blocks)

    def _block(self, size_bytes: int) -> bytes:
        if self._deadline.is_over:
            reason = f"{self._at} B of a layer are read"
            raise DeadlineError(f"reading {self._subject}", self._deadline.limit_s, reason)
        try:
            block = self._stream.read(min(size_bytes, _READ_BYTES))
        except (*DAMAGE, OSError) as exc:
            raise _unreadable(self._subject, exc) from exc
        self._at += len(block)
        if self._at > MAX_BYTES:
            raise _unreadable(self._subject, f"it has more than {MAX_BYTES >> 30} GiB")
        if not block and self._at < self.wanted_bytes:
            raise _unreadable(self._subject, "it is truncated")
        return block


class _Archive(tarfile.TarFile):
    def extractfile(self, member: str | tarfile.TarInfo) -> IO[bytes] | None:
        # tarfile would search the whole layer for the target of a link.
        is_file = isinstance(member, tarfile.TarInfo) and member.isreg()
        return super().extractfile(member) if is_file else None


class _Member(tarfile.TarInfo):
    @classmethod
    def fromtarfile(cls, tarfile: tarfile.TarFile) -> _Member:
        """Return the next member, with what the extended headers before it say."""
        stream = cast("_Bounded", tarfile.fileobj)
        extensions: dict[bytes, bytes] = {}
        for number in range(_MAX_EXTENSIONS + 1):
            member = cls._next(stream, is_first=number == 0)
            if member.type not in _EXTENSIONS:
                member._settle(extensions, stream)
                tarfile.offset = stream.wanted_bytes
                return member
            extensions[member.type] = member._extension(stream)
        raise _damaged(f"more than {_MAX_EXTENSIONS} extended headers are in front of a member")

    @classmethod
    def _next(cls, stream: _Bounded, *, is_first: bool) -> _Member:
        at = stream.tell()
        block = stream.read(tarfile.BLOCKSIZE)
        if block and len(block) < tarfile.BLOCKSIZE:
            raise _damaged("it ends within a header")
        if not any(block):
            if not is_first:
                raise _damaged("an extended header without a member")
            if block and any(stream.read(tarfile.BLOCKSIZE)):
                raise _damaged("a member follows a zero block")
            cls.frombuf(block, "utf-8", "surrogateescape")  # raises what tarfile takes for the end
        try:
            member = cls.frombuf(block, "utf-8", "surrogateescape")
        except tarfile.HeaderError as exc:  # which tarfile would take for the end
            raise _damaged(f"a damaged header ({exc})") from exc
        member.offset, member.offset_data = at, stream.tell()
        return member

    def _extension(self, stream: _Bounded) -> bytes:
        """Return the content of an extended header; that of a global one is not used.

        containers/storage, which unpacks layers on the node, ignores global headers, too.
        """
        if not 0 <= self.size <= _MAX_EXTENSION_BYTES:
            raise _damaged(f"an extended header has {self.size} bytes")
        stream.wanted_bytes = self.offset_data + _padded(self.size)
        return stream.read(_padded(self.size))[: self.size]

    def _settle(self, extensions: Mapping[bytes, bytes], stream: _Bounded) -> None:
        """Apply extended headers, and require a kind and a size that a layer can have."""
        records = _records(extensions.get(tarfile.XHDTYPE, b""))
        self.pax_headers = records
        long_name = _text(extensions.get(tarfile.GNUTYPE_LONGNAME, b"").partition(b"\0")[0])
        long_target = _text(extensions.get(tarfile.GNUTYPE_LONGLINK, b"").partition(b"\0")[0])
        self.name = long_name or records.get("path") or self.name
        self.linkname = long_target or records.get("linkpath") or self.linkname
        if self.isdir():
            self.name = self.name.rstrip("/")
        self.uid = _number(records, "uid", self.uid)
        self.gid = _number(records, "gid", self.gid)
        self.mtime = _time(records, self.mtime)
        if self.type in _WITHOUT_CONTENT:
            self.size = 0  # whatever the header says; as Go's archive/tar does
        elif self.type in _FILES:
            self.size = _number(records, "size", self.size)
        else:
            raise _damaged(f"the member {self.name[:99]!r} is of the unknown kind {self.type!r}")
        if not 0 <= self.size <= MAX_BYTES - self.offset_data:
            raise _damaged(f"the member {self.name[:99]!r} has the implausible size {self.size}")
        stream.wanted_bytes = self.offset_data + _padded(self.size)


def _records(content: bytes) -> dict[str, str]:
    """Return the records `LENGTH KEY=VALUE NEWLINE` of an extended header, with text values."""
    records, at = {}, 0
    while at < len(content):
        digits, _, _ = content[at : at + _MAX_DIGITS].partition(b" ")
        end = at + int(digits) if digits.isdigit() else 0
        record = content[at + len(digits) + 1 : end]
        key, equals, value = record.partition(b"=")
        if end > len(content) or not (key and equals and record.endswith(b"\n")):
            raise _damaged("an extended header has a malformed record")
        if key.startswith(b"GNU.sparse"):
            raise _damaged("a sparse file")
        if key in (b"path", b"linkpath") and b"\0" in value:
            raise _damaged(f"an extended header has a {_text(key)} with a zero byte")
        records[_text(key)] = _text(value[:-1])
        at = end
    return records


def _number(records: Mapping[str, str], key: str, default: int) -> int:
    text = records.get(key, "")
    if not text:
        return default
    if not (text.isascii() and text.isdigit() and len(text) <= _MAX_DIGITS):
        raise _damaged(f"an extended header has the implausible {key} {text[:40]!r}")
    return int(text)


def _time(records: Mapping[str, str], default: float) -> float:
    text = records.get("mtime", "")
    if not text:
        return default
    if not _TIME.fullmatch(text):
        raise _damaged(f"an extended header has the implausible mtime {text[:40]!r}")
    return float(text)


def _text(field: bytes) -> str:
    return field.decode("utf-8", "surrogateescape")


def _padded(size_bytes: int) -> int:
    return -(-size_bytes // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE


def _damaged(reason: str) -> tarfile.ReadError:
    return tarfile.ReadError(reason)
