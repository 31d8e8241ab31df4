"""A layer is read within bounds, whatever its headers say."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import struct
import tarfile
from collections.abc import Callable
from typing import IO, cast

import pytest
import zstandard
from images_fakes import RunningClock, deadline

from harness.images.layers import layer_stream
from harness.images.layers.layer_stream import members
from harness.model.clock import Deadline
from harness.model.errors import DeadlineError, InputError

SUBJECT = "oci:x, layer 1 of 2"
BLOCK = 512
END = bytes(2 * BLOCK)
BASE_256 = b"\x80" + (1 << 70).to_bytes(11, "big")
MINUS_BASE_256 = b"\xff" * 11 + b"\xfe"


def header(
    name: str = "x", kind: bytes = tarfile.REGTYPE, size: bytes = b"0", target: str = ""
) -> bytes:
    """Return one header, whose size field has `size` as it is."""
    entry = tarfile.TarInfo(name)
    entry.type, entry.linkname, entry.mode = kind, target, 0o755
    block = bytearray(entry.tobuf(tarfile.GNU_FORMAT)[-BLOCK:])
    block[124:136] = size.ljust(12, b"\0")
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def part(kind: bytes, content: bytes, name: str = "x") -> bytes:
    """Return a header with content: a file or an extended header."""
    return header(name, kind, b"%o" % len(content)) + content.ljust(
        -(-len(content) // 512) * 512, b"\0"
    )


def record(key: bytes, value: bytes) -> bytes:
    """Return a record of an extended header."""
    size = len(key) + len(value) + 3
    while len(b"%d" % size) + len(key) + len(value) + 3 != size:
        size = len(b"%d" % size) + len(key) + len(value) + 3
    return b"%d %s=%s\n" % (size, key, value)


def pax(*records: tuple[bytes, bytes]) -> bytes:
    return part(tarfile.XHDTYPE, b"".join(record(*one) for one in records))


class Pipe:
    """Can be read, but not sought in."""

    def __init__(self, content: bytes) -> None:
        self._content = io.BytesIO(content)

    def read(self, size: int) -> bytes:
        return self._content.read(min(size, 1000))


class Counted(io.BytesIO):
    """Counts what is read of it."""

    read_bytes = 0

    def read(self, size: int | None = -1) -> bytes:
        block = super().read(size)
        self.read_bytes += len(block)
        return block


def names(layer: bytes, limit: Deadline | None = None) -> list[str]:
    return [one.name for one, _ in members(io.BytesIO(layer), SUBJECT, limit or deadline())]


def problem_of(layer: bytes) -> str:
    with pytest.raises(InputError) as caught:
        names(layer)
    assert caught.value.subject == SUBJECT
    return caught.value.problem


@pytest.mark.parametrize("pack", [bytes, gzip.compress, lzma.compress, zstandard.compress])
@pytest.mark.parametrize("form", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_members_and_contents_are_read(pack: Callable[[bytes], bytes], form: int) -> None:
    packed = io.BytesIO()
    long = "folder/" * 40 + "näme"
    with tarfile.open(fileobj=packed, mode="w", format=form) as tar:
        for name, content in {"a": b"first", long: bytes(2 << 20), "c": b""}.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.uid = len(content), 1 << 22
            tar.addfile(entry, io.BytesIO(content))
        link = tarfile.TarInfo("link")
        link.type, link.linkname = tarfile.SYMTYPE, long
        tar.addfile(link)

    found = {}
    stream = cast("IO[bytes]", Pipe(pack(packed.getvalue())))
    for member, layer in members(stream, SUBJECT, deadline()):
        file = layer.extractfile(member)
        found[member.name] = member.linkname if file is None else file.read()

    assert found == {"a": b"first", long: bytes(2 << 20), "c": b"", "link": long}


def test_layer_may_end_without_its_blocks_of_zeros() -> None:
    assert names(part(b"0", b"content")) == ["x"]
    assert names(END) == []


@pytest.mark.parametrize("layer", [b"", gzip.compress(b""), zstandard.compress(b"")])
def test_layer_without_a_byte_is_an_empty_one_as_for_the_node(layer: bytes) -> None:
    assert names(layer) == []


def skippable(content: bytes) -> bytes:
    """Return a frame of zstd that decompressors skip. Source: RFC 8878, 3.1.2."""
    return struct.pack("<II", 0x184D2A50, len(content)) + content


def test_frames_of_a_chunked_layer_are_read_and_its_directory_is_skipped() -> None:
    plain = part(b"0", b"a" * 3000, "first") + part(b"0", b"b", "second") + END
    chunks = [zstandard.compress(plain[at : at + 900]) for at in range(0, len(plain), 900)]
    directory = skippable(zstandard.compress(b'{"version":1,"entries":[]}'))
    footer = skippable(bytes(56) + b"GNUlInUx")

    assert names(b"".join(chunks) + directory + footer) == ["first", "second"]
    assert "unreadable" in problem_of(b"".join(chunks) + (directory + footer)[:-4])


def test_content_left_unread_is_skipped() -> None:
    layer = part(b"0", b"1" * 5000, "a") + part(b"0", b"2" * 512, "b") + part(b"0", b"3", "c") + END
    found = []

    for member, archive in members(io.BytesIO(layer), SUBJECT, deadline()):
        file = archive.extractfile(member)
        assert file is not None
        found.append(file.read(3))

    assert found == [b"111", b"222", b"3"]


def test_link_is_not_followed_through_the_layer() -> None:
    layer = header("link", tarfile.LNKTYPE, target="x") + part(b"0", b"content") + END

    found = [
        archive.extractfile(one) for one, archive in members(io.BytesIO(layer), SUBJECT, deadline())
    ]

    assert found[0] is None
    assert found[1] is not None


@pytest.mark.parametrize(
    "layer",
    [
        pax((b"size", b"9" * 20)) + header(),
        pax((b"size", b"-1")) + header(),
        pax((b"size", b"1e3")) + header(),
        pax((b"size", "٣".encode())) + header(),
        pax((b"uid", b"9" * 5000)) + header(),
        pax((b"mtime", b"9" * 400)) + header(),
        header(size=BASE_256),
        header(size=MINUS_BASE_256),
        header(size=b"-1"),
        header(size=b"777777777777"),
    ],
    ids=[
        "pax", "pax-minus", "pax-float", "pax-arabic", "uid", "mtime", "base-256", "minus",
        "octal", "big",
    ],
)  # fmt: skip
def test_implausible_size_is_refused(layer: bytes) -> None:
    assert "implausible" in problem_of(layer + END)
    assert "implausible" in problem_of(part(b"0", b"first") + layer + END)


@pytest.mark.parametrize("kind", [b"x", b"g", b"L", b"K"])
@pytest.mark.parametrize("size", [b"10000000000", b"4000001", BASE_256, MINUS_BASE_256])
def test_long_extended_header_is_refused_before_it_is_read(kind: bytes, size: bytes) -> None:
    layer = Counted(header(kind=kind, size=size) + bytes(3 << 20))

    with pytest.raises(InputError, match=r"an extended header has -?\d+ bytes"):
        list(members(layer, SUBJECT, deadline()))

    assert layer.read_bytes <= 2 * BLOCK


def test_extended_headers_without_end_are_refused() -> None:
    assert "more than 8 extended headers" in problem_of(pax((b"comment", b"c")) * 5000)
    assert "an extended header without a member" in problem_of(pax((b"comment", b"c")))
    assert "an extended header without a member" in problem_of(pax((b"comment", b"c")) + END)


@pytest.mark.parametrize(
    "content",
    [
        b"9" * (1 << 20), b"x", b"0 a=b\n", b"5 a=b\n", b"99 a=b\n", b"6 =bb\n", b"6 abb\n",
        b"-6 a=b\n", b"6 a=bb", bytes(512), b"6\xb2 a=b\n",
    ],
)  # fmt: skip
def test_malformed_record_is_refused(content: bytes) -> None:
    assert "malformed record" in problem_of(part(b"x", content) + header() + END)


@pytest.mark.parametrize("key", [b"comment", b"hdrcharset", b"SCHILY.xattr.user.x"])
def test_long_run_of_digits_is_read_once(key: bytes) -> None:
    # tarfile searches it from each of its digits.
    assert names(pax((key, b"1" * 1_000_000), (b"path", b"y")) + header() + END) == ["y"]


def test_global_header_is_ignored_as_on_the_node() -> None:
    said = part(b"g", record(b"path", b"evil") + record(b"size", b"9" * 20))

    assert names(said + header("good") + END) == ["good"]


@pytest.mark.parametrize(
    ("layer", "problem"),
    [
        (header(kind=b"S"), "unknown kind b'S'"),
        (header(kind=b"X"), "unknown kind b'X'"),
        (header(kind=b"Z"), "unknown kind b'Z'"),
        (pax((b"GNU.sparse.major", b"1")) + header(), "a sparse file"),
        (pax((b"GNU.sparse.map", b"1" * 9000)) + header(), "a sparse file"),
        (pax((b"path", b"a\0b")) + header(), "a path with a zero byte"),
    ],
)
def test_kind_that_no_layer_needs_is_refused(layer: bytes, problem: str) -> None:
    assert problem in problem_of(layer + END)


@pytest.mark.parametrize(
    ("layer", "problem"),
    [
        (part(b"0", b"a") + b"no header".ljust(BLOCK) + END, "a damaged header"),
        (part(b"0", b"a") + b"short", "it ends within a header"),
        (bytes(BLOCK) + header("hidden") + END, "a member follows a zero block"),
        (part(b"0", b"a" * 5000)[:2000], "it is truncated"),
        (gzip.compress(part(b"0", bytes(5000)))[:-9], "unreadable layer"),
        (gzip.compress(part(b"0", bytes(5000)))[:-8] + bytes(8), "incorrect data check"),
        (lzma.compress(part(b"0", bytes(5000)))[:-9], "unreadable layer"),
        (zstandard.compress(part(b"0", bytes(5000)))[:-3], "unreadable layer"),
        (gzip.compress(part(b"0", b"a") + END)[:-8], "no end-of-stream marker"),
        (gzip.compress(part(b"0", b"a") + END)[:-8] + bytes(8), "incorrect data check"),
        (gzip.compress(part(b"0", b"a") + END) + b"garbage", "incorrect header check"),
        (zstandard.compress(part(b"0", b"a") + END) + b"garbage", "unreadable layer"),
        (b"\x1f\x8b" + b"\xff" * 600, "unreadable layer"),
        (b"\xfd7zXZ\x00" + b"\xff" * 600, "unreadable layer"),
        (b"\x28\xb5\x2f\xfd" + b"\xff" * 600, "unreadable layer"),
    ],
)
def test_damaged_layer_is_refused(layer: bytes, problem: str) -> None:
    assert problem in problem_of(layer)


@pytest.mark.parametrize(
    ("layer", "name"),
    [(bz2.compress(part(b"0", b"a")), "bzip2"), (b"\x04\x22M\x18" + bytes(600), "lz4"),
     (b"PK\x03\x04" + bytes(600), "zip")],
)  # fmt: skip
def test_other_compression_is_named(layer: bytes, name: str) -> None:
    assert f"packed by {name}; what can be read is gzip, xz, zstd" in problem_of(layer)


def test_content_that_is_cut_off_is_an_error_of_the_image() -> None:
    layer = io.BytesIO(part(b"0", b"a" * 5000)[:2000])

    for member, archive in members(layer, SUBJECT, deadline()):
        file = archive.extractfile(member)
        assert file is not None
        with pytest.raises(InputError, match="oci:x, layer 1 of 2: unreadable layer: it is trunc"):
            file.read()
        break


def test_layer_of_too_many_bytes_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layer_stream, "MAX_BYTES", 4 << 20)
    files = [part(b"0", bytes(1 << 20), str(number)) for number in range(9)]

    assert "has the implausible size 1048576" in problem_of(zstandard.compress(b"".join(files)))


def test_deadline_ends_reading_within_a_member() -> None:
    layer = gzip.compress(part(b"0", bytes(40 << 20)) + END)

    with pytest.raises(DeadlineError, match="reading oci:x, layer 1 of 2"):
        names(layer, Deadline.after(60, RunningClock()))


def test_link_with_a_size_has_no_content() -> None:
    layer = header("link", tarfile.SYMTYPE, b"1000", "target") + header("next") + END

    assert names(layer) == ["link", "next"]


def test_extended_attributes_keep_their_bytes() -> None:
    capability = b"\x01\0\0\x02\0\x20\0\0" + bytes(12)
    layer = pax((b"SCHILY.xattr.security.capability", capability)) + header() + END

    ((member, _),) = members(io.BytesIO(layer), SUBJECT, deadline())

    text = member.pax_headers["SCHILY.xattr.security.capability"]
    assert text.encode("utf-8", "surrogateescape") == capability


@pytest.mark.parametrize("pack", [gzip.compress, lzma.compress, zstandard.compress])
def test_deadline_ends_frames_without_content(pack: Callable[[bytes], bytes]) -> None:
    with pytest.raises(DeadlineError, match="a layer is being decompressed"):
        names(pack(b"") * 60_000, Deadline.after(60, RunningClock()))


def test_time_of_an_extended_header_is_used() -> None:
    layer = pax((b"mtime", b"1700000000.5")) + header() + END

    ((member, _),) = members(io.BytesIO(layer), SUBJECT, deadline())

    assert member.mtime == 1700000000.5
