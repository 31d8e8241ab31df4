"""Archives of images pass only with the members that their format needs."""

from __future__ import annotations

import gzip
import io
import os
import tarfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import zstandard
from machine_fakes import FakeClock

from harness.images.container import skopeo
from harness.images.container.archive import require_safe
from harness.images.container.skopeo import Source, Target
from harness.images.reference import parse
from harness.model.clock import Deadline
from harness.model.errors import DeadlineError, InputError

DIGEST = "a" * 64
SIZE_AT, SUM_AT, PREFIX_AT = 124, 148, 345
BLOCK = 512


@dataclass(frozen=True, kw_only=True)
class Member:
    name: str
    content: bytes = b""
    kind: bytes = tarfile.REGTYPE
    target: str = ""
    records: dict[str, str] = field(default_factory=dict)


OCI = (
    Member(name="oci-layout", content=b"{}"),
    Member(name="./index.json", content=b"{}", records={"mtime": "1.5", "uid": "99999999"}),
    Member(name="blobs/sha256/", kind=tarfile.DIRTYPE),
    Member(name=f"blobs/sha256/{DIGEST}", content=bytes(3 << 20)),
)
DOCKER = (
    Member(name="manifest.json", content=b"[]"),
    Member(name=f"{DIGEST}/layer.tar", content=bytes(1000)),
    Member(name=f"b/{DIGEST[:9]}/layer.tar", kind=tarfile.SYMTYPE, target="../../x/layer.tar"),
)
HOSTILE: dict[str, tuple[Member, str]] = {
    "symbolic-link": (Member(name="x", kind=tarfile.SYMTYPE, target="/etc"), "'x' is a symbolic"),
    "inner-link": (Member(name="x", kind=tarfile.SYMTYPE, target="blobs"), "'x' is a symbolic"),
    "hard-link": (Member(name="x", kind=tarfile.LNKTYPE, target="/etc/passwd"), "is a hard link"),
    "device": (Member(name="x", kind=tarfile.CHRTYPE), "is a device"),
    "fifo": (Member(name="x", kind=tarfile.FIFOTYPE), "is a FIFO"),
    "unknown-kind": (Member(name="x", kind=b"Z"), "is of the unknown kind b'Z'"),
    "absolute": (Member(name="/etc/cron.d/x"), "'/etc/cron.d/x' of a member is not one"),
    "climbs": (Member(name="blobs/../../x"), "'blobs/../../x' of a member is not one"),
    "dots": (Member(name="blobs/../x"), "'blobs/../x' of a member is not one"),
    "escape": (Member(name="x\x1b[2J"), r"'x\x1b[2J' of a member is not one"),
    "no-name": (Member(name=""), "'' of a member is not one"),
    "file-as-folder": (Member(name="blobs/", content=b"x"), "has the name of a folder"),
    "path-record": (Member(name="x", records={"path": "../x"}), "replaces the path of a member"),
    "link-record": (Member(name="x", records={"linkpath": "/"}), "replaces the linkpath of"),
    "size-record": (Member(name="x", records={"size": "9" * 20}), "replaces the size of a member"),
    "sparse": (Member(name="x", records={"GNU.sparse.major": "1"}), "replaces the GNU.sparse of"),
    "long-record": (Member(name="x", records={"comment": "c" * (1 << 20)}), "extended header has"),
    "global": (Member(name="x", kind=tarfile.XGLTYPE), "is a global header"),
}  # fmt: skip
DOCKER_LINKS = {
    "absolute": Member(name="a/layer.tar", kind=tarfile.SYMTYPE, target="/etc/passwd"),
    "out": Member(name="a/layer.tar", kind=tarfile.SYMTYPE, target="../../x"),
    "out-of-the-top": Member(name="layer.tar", kind=tarfile.SYMTYPE, target="../x"),
}


def soon() -> Deadline:
    return Deadline.after(60, FakeClock())


def tar_of(*members: Member) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for member in members:
            entry = tarfile.TarInfo()
            entry.name, entry.type, entry.linkname = member.name, member.kind, member.target
            entry.size, entry.pax_headers = len(member.content), dict(member.records)
            tar.addfile(entry, io.BytesIO(member.content))
    return packed.getvalue()


def changed(archive: bytes, at: int, content: bytes) -> bytes:
    """Return an archive with `content` in its first header, and the sum of that."""
    header = bytearray(archive[:BLOCK])
    header[at : at + len(content)] = content
    header[SUM_AT : SUM_AT + 8] = b" " * 8
    header[SUM_AT : SUM_AT + 8] = b"%06o\0 " % sum(header)
    return bytes(header) + archive[BLOCK:]


def check(tmp_path: Path, archive: bytes, transport: str = "oci-archive") -> None:
    (tmp_path / "image.tar").write_bytes(archive)
    require_safe(parse(f"{transport}:{tmp_path}/image.tar:latest"), soon())


def problem_of(tmp_path: Path, archive: bytes, transport: str = "oci-archive") -> str:
    with pytest.raises(InputError) as caught:
        check(tmp_path, archive, transport)
    assert caught.value.subject == f"{transport}:{tmp_path}/image.tar:latest"
    return caught.value.problem


@pytest.mark.parametrize("pack", [bytes, gzip.compress, zstandard.compress])
def test_archives_of_images_pass(pack: Callable[[bytes], bytes], tmp_path: Path) -> None:
    check(tmp_path, pack(tar_of(*OCI)))
    check(tmp_path, pack(tar_of(*OCI, *DOCKER)), "docker-archive")


@pytest.mark.parametrize(("member", "problem"), HOSTILE.values(), ids=HOSTILE)
def test_member_that_no_image_needs_is_refused(
    member: Member, problem: str, tmp_path: Path
) -> None:
    assert problem in problem_of(tmp_path, tar_of(*OCI, member, *OCI))


@pytest.mark.parametrize("member", DOCKER_LINKS.values(), ids=DOCKER_LINKS)
def test_link_that_leads_out_is_refused(member: Member, tmp_path: Path) -> None:
    problem = problem_of(tmp_path, tar_of(*DOCKER, member), "docker-archive")

    assert f"the link '{member.name}' leads out of the archive" in problem


GOOD = tar_of(*OCI)


@pytest.mark.parametrize(
    ("archive", "problem"),
    [
        (b"", "it is truncated"),
        (GOOD[: 2 << 20], "it is truncated"),
        (gzip.compress(GOOD)[:-20], "end-of-stream"),
        (b"no archive".ljust(BLOCK), "not a tar header"),
        (b"BZh91AY&SY".ljust(BLOCK), "packed by bzip2"),
        (b"O" + GOOD[1:], "not a tar header"),
        (bytes(BLOCK) + GOOD, "a member follows a zero block"),
        (changed(GOOD, SIZE_AT, b"\x80" + b"\xff" * 11), "has an implausible size"),
        (changed(GOOD, SIZE_AT, b"77777777777\0"), "it is truncated"),
        (changed(GOOD, PREFIX_AT, b"/etc"), "more than 100 bytes"),
        (changed(tar_of(*OCI[2:]), SIZE_AT, b"00000001000\0"), "is not a file but has content"),
        (tar_of(Member(name="x"))[:BLOCK] * 10_001 + bytes(2 * BLOCK), "more than 10000 members"),
    ],
)  # fmt: skip
def test_malformed_archive_is_refused(archive: bytes, problem: str, tmp_path: Path) -> None:
    assert problem in problem_of(tmp_path, archive)


def test_archive_that_fills_the_disk_is_refused(tmp_path: Path) -> None:
    (tmp_path / "image.tar").write_bytes(gzip.compress(tar_of(*OCI)))

    with pytest.raises(InputError, match="its members have more than 0 GiB"):
        require_safe(parse(f"oci-archive:{tmp_path}/image.tar"), soon(), max_bytes=3 << 20)


def test_check_ends_at_its_deadline(tmp_path: Path) -> None:
    (tmp_path / "image.tar").write_bytes(tar_of(*OCI))

    with pytest.raises(DeadlineError, match="check of an image archive"):
        require_safe(parse(f"oci-archive:{tmp_path}/image.tar"), Deadline.after(0, FakeClock()))


def test_fifo_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "image.tar")

    with pytest.raises(InputError, match="cannot be read: not a regular file"):
        require_safe(parse(f"oci-archive:{tmp_path}/image.tar"), soon())


def test_missing_archive_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read: No such file or directory"):
        require_safe(parse(f"docker-archive:{tmp_path}/nowhere.tar"), soon())


def test_other_references_pass_unread() -> None:
    require_safe(parse("oci:/nowhere:latest"), soon())


@pytest.mark.parametrize(
    "read",
    [
        skopeo.inspect_manifest,
        skopeo.inspect_config,
        lambda source, deadline: skopeo.copy(source, Target(reference=parse("oci:x:t")), deadline),
    ],
)
def test_skopeo_never_gets_a_hostile_archive(
    read: Callable[[Source, Deadline], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "skopeo"
    program.write_text(f"#!/bin/sh\ntouch {tmp_path}/called\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    (tmp_path / "image.tar").write_bytes(tar_of(HOSTILE["symbolic-link"][0], Member(name="x/y")))
    source = Source(reference=parse(f"oci-archive:{tmp_path}/image.tar"), arch="x86_64")

    with pytest.raises(InputError, match="not a safe archive"):
        read(source, Deadline.after(60))

    assert not (tmp_path / "called").exists()
