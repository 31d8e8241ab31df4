"""The newest packages of a repository are read, bounded and verified, from a folder or a URL."""

from __future__ import annotations

import gzip
import hashlib
import lzma
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from xml.sax.saxutils import quoteattr

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st
from images_fakes import RunningClock, Web, deadline, served

from harness.images.acquire.cache import Cache
from harness.images.yum_repository import newest_of
from harness.model.clock import Deadline
from harness.model.errors import DeadlineError, InputError
from harness.model.packages.repository_xml import newest_packages, parse_repomd

PACKINGS: dict[str, Callable[[bytes], bytes]] = {
    "gz": gzip.compress,
    "xz": lzma.compress,
    "zst": zstandard.ZstdCompressor().compress,
    "plain": bytes,
}


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[Cache]:
    with Cache(tmp_path / "cache") as cache:
        yield cache


def element(name: str, evr: str, arch: str = "x86_64") -> str:
    epoch, _, rest = evr.rpartition(":")
    version, _, release = rest.rpartition("-")
    return (
        f'<package type="rpm"><name>{name}</name><arch>{arch}</arch>'
        f'<version epoch="{epoch or 0}" ver={quoteattr(version)} rel="{release}"/>'
        '<checksum type="sha256" pkgid="YES">a</checksum><description>x</description>'
        '<format><rpm:provides><rpm:entry name="b" epoch="0" ver="9" rel="9"/></rpm:provides>'
        "</format></package>"
    )


def primary(*elements: str) -> bytes:
    head = '<metadata xmlns="http://linux.duke.edu/metadata/common" '
    head += f'xmlns:rpm="http://linux.duke.edu/metadata/rpm" packages="{len(elements)}">'
    return f"<?xml version='1.0' encoding='UTF-8'?>\n{head}{''.join(elements)}</metadata>".encode()


def repomd(packed: bytes, href: str = "repodata/primary.xml", kind: str = "sha256") -> bytes:
    digest = hashlib.sha256(packed).hexdigest()
    return (
        '<repomd xmlns="http://linux.duke.edu/metadata/repo"><revision>1</revision>'
        '<data type="filelists"><checksum type="sha256">ff</checksum>'
        '<location href="repodata/filelists.xml.gz"/></data>'
        f'<data type="primary"><checksum type="{kind}">{digest}</checksum>'
        '<open-checksum type="sha256">ee</open-checksum>'
        f'<location href="{href}"/><size>{len(packed)}</size></data></repomd>'
    ).encode()


def write(folder: Path, packed: bytes, index: bytes | None = None) -> str:
    (folder / "repodata").mkdir(parents=True, exist_ok=True)
    (folder / "repodata/primary.xml").write_bytes(packed)
    (folder / "repodata/repomd.xml").write_bytes(repomd(packed) if index is None else index)
    return str(folder)


def evrs(location: str, cache: Cache, arch: str = "x86_64") -> dict[str, str]:
    return {
        name: f"{p.epoch}:{p.version}-{p.release}.{p.arch}"
        for name, p in newest_of(location, arch, cache, deadline()).items()
    }


SOME = primary(
    element("bash", "5.1-1.el9"), element("bash", "5.1-10.el9"), element("bash", "5.1-9.el9"),
    element("podman", "5:5.4.0-1.el9"), element("podman", "9:5.4.0-1.el9", "aarch64"),
    element("tzdata", "2026a-1", "noarch"), element("bash", "9-1", "src"),
)  # fmt: skip


@pytest.mark.parametrize("packing", PACKINGS)
def test_newest_packages_of_a_folder(packing: str, tmp_path: Path, cache: Cache) -> None:
    place = write(tmp_path / "repo", PACKINGS[packing](SOME))

    assert evrs(place, cache) == {
        "bash": "0:5.1-10.el9.x86_64", "podman": "5:5.4.0-1.el9.x86_64",
        "tzdata": "0:2026a-1.noarch",
    }  # fmt: skip
    assert evrs(place, cache, "aarch64")["podman"] == "9:5.4.0-1.el9.aarch64"


def test_a_repository_at_a_url_is_read_once(cache: Cache) -> None:
    packed = gzip.compress(SOME)
    files = {"/x86_64/os/repodata/repomd.xml": repomd(packed),
             "/x86_64/os/repodata/primary.xml": packed}  # fmt: skip
    with served(Web(files)) as web:
        for _ in range(2):
            found = evrs(f"{web.url}/$basearch/os/", cache)

        assert found["bash"] == "0:5.1-10.el9.x86_64"
        assert len(web.requests) == 3


@pytest.mark.parametrize(
    ("packed", "index", "problem"),
    [
        (SOME, repomd(b"other"), "wrong digest"),
        (SOME, b"<repomd></repomd>", "without a primary.xml"),
        (SOME, repomd(SOME, kind="sha"), "no sha256"),
        (SOME, repomd(SOME, "../../etc/passwd"), "outside of the repository"),
        (SOME, repomd(SOME, "/etc/passwd"), "outside of the repository"),
        (SOME, repomd(SOME, "https://other.example/p"), "outside of the repository"),
        (SOME, b"<html>", "not the XML of a repository"),
        (SOME, b"", "not the XML of a repository"),
        (SOME, repomd(SOME).replace(b"<size>", b"<size>9999999999"), "a list of packages of"),
        (SOME, repomd(SOME, "repodata/none"), "cannot be read"),
        (SOME[:-20], None, "not the XML of a repository"),
        (gzip.compress(SOME)[:-20], None, "damaged or truncated"),
        (b"<repomd/>", None, "instead of a list of packages"),
        (primary(element("", "1-1")), None, "without name or version"),
        (primary(element("a", "x:1-1")), None, "without name or version"),
        (b"BZh91AY", None, "not the XML of a repository"),
    ],
)
def test_damaged_and_hostile_repositories_are_refused(
    packed: bytes, index: bytes | None, problem: str, tmp_path: Path, cache: Cache
) -> None:
    with pytest.raises(InputError, match=problem):
        evrs(write(tmp_path / "repo", packed, index), cache)


BOMB = (
    b'<!DOCTYPE m [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'
    b"<metadata><package><name>&b;</name></package></metadata>"
)
FILE = b'<!DOCTYPE m [<!ENTITY x SYSTEM "file:///etc/passwd">]><metadata>&x;</metadata>'


@pytest.mark.parametrize("text", [BOMB, FILE])
def test_entities_are_refused(text: bytes) -> None:
    with pytest.raises(InputError, match="a document type declaration"):
        newest_packages([text], "x86_64", "r")


def test_what_is_not_there_is_an_error(tmp_path: Path, cache: Cache) -> None:
    with pytest.raises(InputError, match="no repository"):
        evrs(str(tmp_path / "none"), cache)
    with served(Web({})) as web, pytest.raises(InputError, match="the server has no repodata"):
        evrs(web.url, cache)


@pytest.mark.parametrize("name", ["repodata/repomd.xml", "repodata/primary.xml"])
def test_a_file_that_is_a_fifo_does_not_hang(name: str, tmp_path: Path, cache: Cache) -> None:
    location = write(tmp_path / "repo", primary(element("a", "1-1")))
    path = tmp_path / "repo" / name
    path.unlink()
    os.mkfifo(path)

    with pytest.raises(InputError, match="not a regular file"):
        newest_of(location, "x86_64", cache, deadline())


def test_an_index_that_is_too_large_is_not_cut(tmp_path: Path, cache: Cache) -> None:
    location = write(tmp_path / "repo", primary(), index=b" " * (5 << 20))

    with pytest.raises(InputError, match="larger than 4 MiB"):
        newest_of(location, "x86_64", cache, deadline())


def test_reading_ends_at_the_deadline(tmp_path: Path, cache: Cache) -> None:
    place = write(tmp_path / "repo", SOME)

    with pytest.raises(DeadlineError):
        newest_of(place, "x86_64", cache, Deadline.after(20, RunningClock()))


@settings(deadline=None)
@given(st.binary(max_size=200) | st.text("<>/\"'&; =!?ametdpckgr", max_size=80).map(str.encode))
def test_any_text_is_a_list_or_an_error(text: bytes) -> None:
    for read in (lambda: newest_packages([text], "x86_64", "r"), lambda: parse_repomd(text, "r")):
        try:
            read()
        except InputError:
            continue


SPEC = """\
Name: cri-o
Epoch: 2
Version: 1.34.0
Release: {release}
Summary: Written by a test
License: Apache-2.0
BuildArch: noarch
%description
%files
"""


@settings(deadline=None)
@given(st.integers(1, 50))
def test_the_size_of_the_pieces_does_not_matter(size: int) -> None:
    blocks = (SOME[start : start + size] for start in range(0, len(SOME), size))

    assert newest_packages(blocks, "x86_64", "r") == newest_packages([SOME], "x86_64", "r")


@pytest.mark.skipif(not shutil.which("createrepo_c"), reason="no createrepo_c here")
def test_what_createrepo_makes_is_read(tmp_path: Path, cache: Cache) -> None:
    for release in ("9.el9", "10.el9"):
        (tmp_path / "x.spec").write_text(SPEC.format(release=release))
        words = ["rpmbuild", "-bb", f"--define=_topdir {tmp_path}", str(tmp_path / "x.spec")]
        subprocess.run(words, check=True, capture_output=True)
    subprocess.run(["createrepo_c", "-q", str(tmp_path)], check=True)

    found = newest_of(str(tmp_path), "x86_64", cache, deadline())

    assert [str(each) for each in found.values()] == ["cri-o-2:1.34.0-10.el9.noarch"]
