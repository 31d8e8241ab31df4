from __future__ import annotations

import gzip
import hashlib
import json
import os
import shutil
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from images_fakes import RunningClock, Web, deadline, served

from harness.images.acquire.cache import Cache
from harness.images.acquire.digest import sha256_of
from harness.images.acquire.disk_format import DiskFormat
from harness.images.bootimage import BootImage, acquire, published_name
from harness.model.clock import Deadline
from harness.model.errors import InputError

needs_qemu_img = pytest.mark.skipif(not shutil.which("qemu-img"), reason="no qemu-img here")
SIZE = 1 << 20


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[Cache]:
    with Cache(tmp_path / "cache") as cache:
        yield cache


def mbr(size_bytes: int = SIZE) -> bytes:
    return bytes(510) + b"\x55\xaa" + bytes(size_bytes - 512)


def gpt(size_bytes: int) -> bytes:
    header = b"EFI PART" + bytes(24) + struct.pack("<Q", size_bytes // 512 - 1)
    return mbr(1024)[:512] + header + bytes(size_bytes - 512 - len(header))


def sum_of(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def qcow2(path: Path, *options: str) -> Path:
    argv = ["qemu-img", "create", "-q", "-f", "qcow2", *options, str(path), "1M"]
    subprocess.run(argv, check=True)
    return path


def filled_qcow2(folder: Path) -> Path:
    (folder / "raw").write_bytes(os.urandom(SIZE))
    path = folder / "disk.qcow2"
    argv = ["qemu-img", "convert", "-f", "raw", "-O", "qcow2", str(folder / "raw"), str(path)]
    subprocess.run(argv, check=True)
    return path


def refused(text: str | Path, cache: Cache, sha256: str | None = None) -> InputError:
    with pytest.raises(InputError) as caught:
        acquire(str(text), sha256, cache, deadline())
    assert caught.value.remedy
    return caught.value


def write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def test_plain_raw_disk_is_used_in_place(tmp_path: Path, cache: Cache) -> None:
    path = write(tmp_path / "disk.raw", mbr())

    assert acquire(str(path), None, cache, deadline()) == BootImage(
        path=path, format=DiskFormat.RAW, virtual_size_bytes=SIZE,
        sha256=sha256_of(path, deadline()), origin=str(path),
    )  # fmt: skip


@needs_qemu_img
def test_sound_qcow2_is_detected_by_content_with_its_virtual_size(
    tmp_path: Path, cache: Cache
) -> None:
    image = acquire(str(qcow2(tmp_path / "disk.img")), None, cache, deadline())

    assert (image.format, image.virtual_size_bytes) == (DiskFormat.QCOW2, SIZE)


def test_a_compressed_file_is_unpacked_once_whatever_its_name(tmp_path: Path, cache: Cache) -> None:
    path = write(tmp_path / "disk.raw", gzip.compress(mbr()))

    first = acquire(str(path), None, cache, deadline())
    assert first.path.read_bytes() == mbr()
    assert first.sha256 == sum_of(path.read_bytes())

    first.path.write_bytes(mbr(SIZE // 2))
    second = acquire(str(path), None, cache, deadline())
    assert (second.path, second.virtual_size_bytes) == (first.path, SIZE // 2)


@pytest.mark.parametrize("packed", [False, True])
def test_a_local_file_is_verified_by_option_or_sidecar(
    packed: bool, tmp_path: Path, cache: Cache
) -> None:
    path = write(tmp_path / "disk", gzip.compress(mbr()) if packed else mbr())
    right, wrong = sum_of(path.read_bytes()), "0" * 64

    assert acquire(str(path), right, cache, deadline()).sha256 == right
    assert f"expected sha256 {wrong}, got {right}" in refused(path, cache, wrong).problem
    (tmp_path / "disk.sha256").write_text(f"{wrong}  disk\n")
    assert f"expected sha256 {wrong}, got {right}" in refused(path, cache).problem
    (tmp_path / "disk.sha256").write_text("no sum")
    assert "no sha256 sum in this file" in refused(path, cache).problem


def test_only_the_beginning_of_a_sidecar_is_read(tmp_path: Path, cache: Cache) -> None:
    path, sidecar = tmp_path / "disk", tmp_path / "disk.sha256"
    path.write_bytes(mbr())
    sidecar.write_text(f"{sum_of(mbr())}  disk\n")
    os.truncate(sidecar, 1 << 40)

    assert acquire(str(path), None, cache, deadline()).sha256 == sum_of(mbr())


def test_a_url_is_verified_by_its_sidecar_and_fetched_once(cache: Cache) -> None:
    body = gzip.compress(mbr())
    files = {"/disk.gz": body, "/disk.gz.sha256": f"{sum_of(body)}  disk.gz\n".encode()}
    with served(Web(files=files)) as web:
        first = acquire(f"{web.url}/disk.gz", None, cache, deadline())
        web.files["/disk.gz"] = b"gone"
        second = acquire(f"{web.url}/disk.gz", None, cache, deadline())

    assert second == first
    assert first.path.read_bytes() == mbr()
    assert {path.name for path in first.path.parent.iterdir()} == {"lock", "content"}


@pytest.mark.parametrize("leftover", [b"", b"\0" * 900, gzip.compress(b"another disk")])
def test_download_that_a_loss_of_power_spoiled_is_made_again(
    leftover: bytes, tmp_path: Path, cache: Cache
) -> None:
    body = gzip.compress(mbr())
    key = tmp_path / "cache" / sum_of(body)
    key.mkdir(parents=True)
    (key / "download").write_bytes(leftover)
    (key / "download.part").write_bytes(leftover)
    (key / "content.new").write_bytes(leftover)

    with served(Web(files={"/disk.gz": body})) as web:
        image = acquire(f"{web.url}/disk.gz", sum_of(body), cache, deadline())

    assert image.path.read_bytes() == mbr()
    assert {path.name for path in key.iterdir()} == {"lock", "content"}


def test_cache_reports_downloading_and_decompressing(tmp_path: Path) -> None:
    reported: list[str] = []
    body = gzip.compress(mbr())
    time = Deadline.after(1e9, RunningClock())

    with (
        served(Web(files={"/disk.gz": body})) as web,
        Cache(tmp_path, report=reported.append) as cache,
    ):
        acquire(f"{web.url}/disk.gz", sum_of(body), cache, time)

    assert {line.partition(":")[0] for line in reported} == {
        "downloading disk.gz",
        "decompressing disk.gz",
    }


def test_decompressing_a_local_file_is_reported(tmp_path: Path) -> None:
    reported: list[str] = []
    path = tmp_path / "disk.gz"
    path.write_bytes(gzip.compress(mbr()))

    with Cache(tmp_path / "cache", report=reported.append) as cache:
        acquire(str(path), None, cache, Deadline.after(1e9, RunningClock()))

    assert {line.partition(":")[0] for line in reported} == {"decompressing disk.gz"}


def test_a_plain_url_is_used_as_downloaded(cache: Cache) -> None:
    with served(Web(files={"/disk": mbr()})) as web:
        image = acquire(f"{web.url}/disk", sum_of(mbr()), cache, deadline())

    assert image.path.read_bytes() == mbr()


def test_a_url_without_a_sum_is_refused(cache: Cache) -> None:
    with served(Web(files={"/disk": mbr()})) as web:
        error = refused(f"{web.url}/disk", cache)

    assert "no sha256" in error.problem
    assert "sha256" in error.remedy


@pytest.mark.parametrize("url", ["http://", "http:///disk", "http://h:port/x", "http://a..b/x"])
def test_a_malformed_url_is_refused(url: str, cache: Cache) -> None:
    assert "malformed URL" in refused(url, cache).problem
    assert "malformed URL" in refused(url, cache, sha256="0" * 64).problem


def test_impossible_file_name_is_one_error(tmp_path: Path, cache: Cache) -> None:
    write(tmp_path / "empty", b"")
    (tmp_path / "loop").symlink_to("loop")
    os.mkfifo(tmp_path / "fifo")

    assert "No such file" in refused(tmp_path / "missing", cache).problem
    assert "a folder" in refused(tmp_path, cache).problem
    assert "an empty file" in refused(tmp_path / "empty", cache).problem
    assert "symbolic links" in refused(tmp_path / "loop", cache).problem
    assert "not a regular file" in refused(tmp_path / "fifo", cache).problem


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_unreadable_file_is_an_error(tmp_path: Path, cache: Cache) -> None:
    path = write(tmp_path / "disk", mbr())
    path.chmod(0)
    for parent in (tmp_path, tmp_path.parent, tmp_path.parent.parent):
        parent.chmod(0o755)

    os.seteuid(65534)
    try:
        error = refused(path, cache)
    finally:
        os.seteuid(0)

    assert error.problem == "cannot be read: Permission denied"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"<!DOCTYPE html><html>Not Found</html>", "an HTML or XML page"),
        ("Grüße, only text\n".encode() * 100, "a text file"),
        (bytes(510) + b"\x55\xaa" + bytes(0x8001 - 512) + b"CD001" + bytes(99), "an ISO image"),
        (b"KDMV" + bytes(4096), "a VMDK image"),
        (bytes(257) + b"ustar" + bytes(512), "a tar archive"),
        (os.urandom(500) + bytes(5000), "something unknown"),
    ],
)
def test_other_kinds_of_files_are_named(
    content: bytes, said: str, tmp_path: Path, cache: Cache
) -> None:
    error = refused(write(tmp_path / "disk", content), cache)

    assert "not a disk image" in error.problem
    assert said in error.problem


def test_a_raw_disk_shorter_than_its_partition_table_is_truncated(
    tmp_path: Path, cache: Cache
) -> None:
    whole = write(tmp_path / "whole", gpt(SIZE))
    cut = write(tmp_path / "cut", gpt(SIZE)[: SIZE // 2])

    assert acquire(str(whole), None, cache, deadline()).virtual_size_bytes == SIZE
    assert "truncated" in refused(cut, cache).problem


@needs_qemu_img
@pytest.mark.parametrize("kept_bytes", [4, 200, 70_000, 700_000])
def test_a_truncated_qcow2_is_refused(kept_bytes: int, tmp_path: Path, cache: Cache) -> None:
    path = filled_qcow2(tmp_path)
    os.truncate(path, kept_bytes)

    assert "damaged or truncated qcow2" in refused(path, cache).problem


@needs_qemu_img
def test_a_qcow2_that_needs_another_file_is_refused(tmp_path: Path, cache: Cache) -> None:
    base = qcow2(tmp_path / "base.qcow2")
    overlay = qcow2(tmp_path / "overlay.qcow2", "-b", str(base), "-F", "qcow2")
    outside = qcow2(tmp_path / "outside.qcow2", "-o", f"data_file={tmp_path / 'data'}")

    assert "depends on another file" in refused(overlay, cache).problem
    assert "depends on another file" in refused(outside, cache).problem


@needs_qemu_img
def test_an_encrypted_qcow2_is_refused(tmp_path: Path, cache: Cache) -> None:
    path = qcow2(tmp_path / "disk.qcow2")
    with path.open("r+b") as file:
        file.seek(32)  # crypt_method: 1 is AES; creating it the real way takes seconds
        file.write(struct.pack(">I", 1))

    assert "encrypted" in refused(path, cache).problem


def test_a_damaged_compressed_file_leaves_nothing_in_the_cache(
    tmp_path: Path, cache: Cache
) -> None:
    path = write(tmp_path / "disk.gz", gzip.compress(os.urandom(5000))[:-100])

    assert "damaged or truncated" in refused(path, cache).problem
    assert not list(tmp_path.rglob("content*"))


def test_malformed_sum_is_refused_first(cache: Cache) -> None:
    assert "not a sha256 sum" in refused("/nowhere", cache, sha256="abc").problem


def test_the_secrets_of_a_url_stay_out_of_its_origin_and_errors(cache: Cache) -> None:
    files = {
        "/disk?t=s3cr3t": mbr(),
        "/disk.sha256?t=s3cr3t": f"{sum_of(mbr())}  disk\n".encode(),
        "/page?t=s3cr3t": b"<!DOCTYPE html>",
    }
    with served(Web(files=files)) as web:
        url = web.url.replace("//", "//me:s3cr3t@")
        image = acquire(f"{url}/disk?t=s3cr3t", None, cache, deadline())
        no_disk = refused(f"{url}/page?t=s3cr3t", cache, sum_of(b"<!DOCTYPE html>"))
        no_sum = refused(f"{url}/page?t=s3cr3t", cache)

    assert image.origin == f"{web.url}/disk"
    assert "s3cr3t" not in f"{no_disk} {no_sum}"


LOCATION = "https://mirror.example/rhcos-qemu.qcow2.gz"


def stream_metadata(location: str = "", sha256: str = "", inside: str = "") -> str:
    disk = {"location": location, "sha256": sha256, "uncompressed-sha256": inside}
    qemu = {"release": "9.6.20250203-0", "formats": {"qcow2.gz": {"disk": disk}}}
    artifacts = {"qemu": qemu} if location else {}
    return json.dumps({"stream": "rhcos", "architectures": {"s390x": {"artifacts": artifacts}}})


def test_stream_metadata_names_the_disk_image_that_it_describes(
    tmp_path: Path, cache: Cache
) -> None:
    path = tmp_path / "rhcos.json"
    path.write_text(stream_metadata(location=LOCATION, sha256="a" * 64))

    error = refused(path, cache)

    assert error.problem == "not a disk image but CoreOS stream metadata (JSON)"
    assert error.remedy == f"Use `--bootimage stream:{path}#s390x/qemu/qcow2.gz`."


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (stream_metadata(), "stream metadata"),
        ('{"architectures": 3}', "a JSON file"),
        ('{"builds": []}', "a JSON file"),
        ("{", "a JSON file"),
        ("[]", "a text file"),
    ],
)
def test_other_json_is_refused(text: str, problem: str, tmp_path: Path, cache: Cache) -> None:
    path = tmp_path / "any.json"
    path.write_text(text)

    assert problem in refused(path, cache).problem


@pytest.mark.parametrize("is_compressed", [True, False])
def test_sum_of_the_uncompressed_image_has_its_own_remedy(
    is_compressed: bool, tmp_path: Path, cache: Cache
) -> None:
    path = tmp_path / "disk"
    path.write_bytes(gzip.compress(b"disk") if is_compressed else b"disk")

    error = refused(path, cache, sha256="a" * 64)

    assert "wrong digest" in error.problem
    assert ("uncompressed-sha256" in error.remedy) is is_compressed


def named_in(folder: Path, place: str = "s390x/qemu/qcow2.gz", **disk: str) -> str:
    (folder / "coreos.json").write_text(stream_metadata(**disk))
    return f"stream:{folder / 'coreos.json'}#{place}"


def test_disk_of_stream_metadata_is_fetched_and_both_sums_are_verified(
    tmp_path: Path, cache: Cache
) -> None:
    packed = gzip.compress(mbr())
    sums = {"sha256": sum_of(packed), "inside": sum_of(mbr())}
    with served(Web({"/disk.qcow2.gz": packed})) as web:
        text = named_in(tmp_path, location=f"{web.url}/disk.qcow2.gz", **sums)

        image = acquire(text, None, cache, deadline())

        assert (image.sha256, image.origin) == (sum_of(packed), text)
        assert image.path.read_bytes() == mbr()
        text = named_in(
            tmp_path, location=f"{web.url}/disk.qcow2.gz", **sums | {"inside": "b" * 64}
        )
        assert "wrong digest inside" in refused(text, cache).problem
        text = named_in(
            tmp_path, location=f"{web.url}/disk.qcow2.gz", **sums | {"sha256": "b" * 64}
        )
        assert "wrong digest" in refused(text, cache).problem


def test_stream_metadata_may_be_a_url(cache: Cache) -> None:
    packed = gzip.compress(mbr())
    with served(Web({"/disk": packed})) as web:
        metadata = stream_metadata(location=f"{web.url}/disk", sha256=sum_of(packed))
        web.files["/s.json?k=s3cr3t"] = metadata.encode()

        image = acquire(
            f"stream:{web.url}/s.json?k=s3cr3t#s390x/qemu/qcow2.gz", None, cache, deadline()
        )

    assert image.origin == f"stream:{web.url}/s.json#s390x/qemu/qcow2.gz"


def test_disk_that_stream_metadata_lacks_is_refused_with_those_it_has(
    tmp_path: Path, cache: Cache
) -> None:
    error = refused(named_in(tmp_path, "x86_64/qemu/qcow2.gz", location=LOCATION), cache)

    assert error.problem == "no disk 'x86_64/qemu/qcow2.gz', only s390x/qemu/qcow2.gz"


@pytest.mark.parametrize(
    ("disk", "sha256", "problem"),
    [
        ({"location": LOCATION}, None, "not a sha256 sum"),
        ({"location": "/etc/passwd", "sha256": "a" * 64}, None, "not an http or https URL"),
        ({"location": LOCATION, "sha256": "a" * 64}, "b" * 64, "wrong digest"),
    ],
)
def test_unusable_stream_metadata_is_refused(
    disk: dict[str, str], sha256: str | None, problem: str, tmp_path: Path, cache: Cache
) -> None:
    assert problem in refused(named_in(tmp_path, **disk), cache, sha256).problem


def test_version_of_a_bootimage_is_in_its_published_name(tmp_path: Path) -> None:
    text = named_in(tmp_path, location=LOCATION)

    assert published_name(text, deadline()) == LOCATION
    assert published_name("rhcos.qcow2", deadline()) == "rhcos.qcow2"
