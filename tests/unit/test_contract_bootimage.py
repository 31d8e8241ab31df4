"""Disk images with an ostree deployment, written with ext4 or XFS and read without booting."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from images_fakes import deadline
from standin_images.recipe import Recipe
from standin_images.rpmdb import database

from harness import process
from harness.contract.inspection import Depth, Inspection, Kind
from harness.contract.reading.access import Access
from harness.contract.reading.inspect import inspect, is_bootimage
from harness.images.acquire.cache import Cache
from harness.images.disk_partitions import FileSystem, partitions
from harness.model.errors import InputError

RECIPE = Recipe.usual()
DEPLOYMENT = f"ostree/deploy/rhcos/deploy/{'ab' * 32}.0"
MIB = 1 << 20
SIZES_MIB = {FileSystem.EXT4: 16, FileSystem.XFS: 300}  # mkfs.xfs refuses less


def has(*programs: str) -> bool:
    try:
        return all(process.find(program) for program in programs)
    except process.MissingProgramError:
        return False


needs_ext4 = pytest.mark.skipif(
    not has("mkfs.ext4", "debugfs", "qemu-img", "rpm"), reason="needs e2fsprogs, qemu-img, rpm"
)
needs_xfs = pytest.mark.skipif(
    not has("mkfs.xfs", "grub-fstest", "qemu-img", "rpm"), reason="needs xfsprogs, grub-fstest, rpm"
)
BOTH = [
    pytest.param(FileSystem.EXT4, marks=needs_ext4), pytest.param(FileSystem.XFS, marks=needs_xfs),
]  # fmt: skip


@pytest.fixture(autouse=True)
def _private_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def deployed(place: Path, *, deployment: str = DEPLOYMENT) -> Path:
    """Write the files of a root file system with one deployment."""
    usr = place / "root" / deployment / "usr"
    (usr / "share" / "rpm").mkdir(parents=True)
    (usr / "lib").mkdir()
    (usr / "share" / "rpm" / "rpmdb.sqlite").write_bytes(database(RECIPE.base_packages))
    (usr / "lib" / "real-os-release").write_text(RECIPE.os_release())
    (usr / "lib" / "os-release").symlink_to("real-os-release")
    (place / "root" / f"{deployment}.origin").write_text("[origin]\n")
    return place / "root"


def disk_of(place: Path, root: Path, kind: FileSystem, name: str = "root") -> Path:
    """Write a raw disk whose only partition is of `kind` and has the files of `root`."""
    disk, size_bytes = place / "disk.raw", SIZES_MIB[kind] * MIB
    with disk.open("wb") as file:
        file.truncate(size_bytes + 2 * MIB)
        file.write(gpt(MIB // 512, size_bytes // 512, name))
    if kind is FileSystem.EXT4:
        words = ["mkfs.ext4", "-q", "-d", str(root), "-E", f"offset={MIB}", str(disk), "16m"]
        process.run(words, deadline())
        return disk
    volume = place / "volume"
    with volume.open("wb") as file:
        file.truncate(size_bytes)
    proto = place / "proto"
    proto.write_text("\n".join(("/dev/null", "0 0", *_proto(root), "")))
    process.run(["mkfs.xfs", "-q", "-p", str(proto), str(volume)], deadline())
    words = ["dd", f"if={volume}", f"of={disk}", "bs=1M", "seek=1", "conv=notrunc,sparse"]
    process.run(words, deadline())
    return disk


def _proto(folder: Path) -> list[str]:
    """Return a folder as mkfs.xfs(8) takes it."""
    lines = ["d--755 0 0"]
    for path in sorted(folder.iterdir()):
        if path.is_symlink():
            lines.append(f"{path.name} l--777 0 0 {path.readlink()}")
        elif path.is_dir():
            first, *others = _proto(path)
            lines += [f"{path.name} {first}", *others]
        else:
            lines.append(f"{path.name} ---644 0 0 {path}")
    return [*lines, "$"]


def gpt(begin: int, sectors: int, name: str) -> bytes:
    """Return a protective MBR, a GPT header and one entry."""
    protective = bytes(4) + b"\xee" + bytes(3) + struct.pack("<II", 1, 0xFFFFFFFF)
    mbr = (bytes(446) + protective).ljust(510, b"\0") + b"\x55\xaa"
    header = struct.pack("<8s64xQII", b"EFI PART", 2, 4, 128).ljust(512, b"\0")
    title = name.encode("utf-16-le").ljust(72, b"\0")
    end = begin + sectors - 1
    entry = struct.pack("<16s16sQQ8s72s", b"linux", b"1" * 16, begin, end, bytes(8), title)
    return mbr + header + entry


def inspected(subject: Path | str, cache: Cache | None = None) -> Inspection:
    return inspect(str(subject), Depth.QUICK, Access(arch="x86_64", cache=cache), deadline())


@pytest.mark.parametrize("kind", BOTH)
def test_deployment_of_a_bootimage_is_read(tmp_path: Path, kind: FileSystem) -> None:
    disk = disk_of(tmp_path, deployed(tmp_path), kind)

    found = inspected(disk)

    assert found.kind is Kind.BOOTIMAGE
    assert found.packages == RECIPE.base_packages
    assert found.kernel == RECIPE.kernel_release
    assert (found.os_release or {})["OSTREE_VERSION"] == RECIPE.base_version
    assert found.problems == ()
    assert not list((tmp_path / "cache").rglob("disk.raw"))


@needs_ext4
def test_qcow2_is_read_as_the_raw_disk_is(tmp_path: Path) -> None:
    disk = disk_of(tmp_path, deployed(tmp_path), FileSystem.EXT4)
    packed = tmp_path / "disk.qcow2"
    process.run(["qemu-img", "convert", "-O", "qcow2", str(disk), str(packed)], deadline())

    assert inspected(packed).packages == inspected(disk).packages


@needs_ext4
def test_second_question_does_not_read_the_disk(tmp_path: Path) -> None:
    disk = disk_of(tmp_path, deployed(tmp_path), FileSystem.EXT4)
    with Cache(tmp_path / "answers") as cache:
        first = inspected(disk, cache)
        disk.chmod(0)  # changes ctime, so the file is summed again...
        disk.chmod(0o644)
        assert inspected(disk, cache) == first

    assert len(list((tmp_path / "answers").iterdir())) == 3


@needs_ext4
def test_changed_disk_is_read_again(tmp_path: Path) -> None:
    disk = disk_of(tmp_path, deployed(tmp_path), FileSystem.EXT4)
    with Cache(tmp_path / "answers") as cache:
        before = inspected(disk, cache)
        with disk.open("r+b") as file:
            file.seek(-1, 2)
            file.write(b"x")

        assert inspected(disk, cache).digest != before.digest


@needs_ext4
@pytest.mark.parametrize("deployment", ["srv/nothing", f"ostree/deploy/x/deploy/{'ab' * 31}.0"])
def test_disk_without_a_deployment_is_refused(tmp_path: Path, deployment: str) -> None:
    disk = disk_of(tmp_path, deployed(tmp_path, deployment=deployment), FileSystem.EXT4)

    with pytest.raises(InputError, match="0 ostree deployments"):
        inspected(disk)


@needs_ext4
def test_names_that_debugfs_could_obey_are_not_used(tmp_path: Path) -> None:
    root = deployed(tmp_path)
    (root / "ostree" / "deploy" / "x y;rm").mkdir()
    (root / "ostree" / "deploy" / "-f").mkdir()

    assert inspected(disk_of(tmp_path, root, FileSystem.EXT4)).packages == RECIPE.base_packages


def test_encrypted_or_foreign_root_is_refused(tmp_path: Path) -> None:
    disk = tmp_path / "disk.raw"
    disk.write_bytes(gpt(MIB // 512, 2048, "root").ljust(3 * MIB, b"\xff"))

    with pytest.raises(InputError, match="no partition `root` with XFS or ext4"):
        inspected(disk)


@pytest.mark.parametrize(
    "table",
    [bytes(4096), gpt(1, 1, "x").replace(b"EFI PART", b"EFI PORT"),
     gpt(1, 1, "x").replace(struct.pack("<QII", 2, 4, 128), struct.pack("<QII", 2, 4, 1)),
     gpt(1, 1, "x").replace(struct.pack("<QII", 2, 4, 128), struct.pack("<QII", 1 << 63, 4, 128))],
    ids=["empty", "other", "small-entries", "entries-outside"],
)  # fmt: skip
def test_disk_without_a_table_of_partitions_is_refused(tmp_path: Path, table: bytes) -> None:
    disk = tmp_path / "disk.raw"
    disk.write_bytes(table)

    with pytest.raises(InputError, match="without a partition table"):
        partitions(disk, "disk")


@pytest.mark.parametrize("end", [600, 1024, 1100])
def test_cut_table_has_no_partitions_outside_the_file(tmp_path: Path, end: int) -> None:
    disk = tmp_path / "disk.raw"
    disk.write_bytes(gpt(9, 1, "root")[:end])

    try:
        assert partitions(disk, "disk") == ()
    except InputError as exc:
        assert "without a partition table" in exc.problem  # noqa: PT017


@needs_ext4
def test_damaged_file_system_is_one_error(tmp_path: Path) -> None:
    disk = disk_of(tmp_path, deployed(tmp_path), FileSystem.EXT4)
    with disk.open("r+b") as file:
        file.seek(MIB + 1024 + 58)
        file.write(b"\xff" * 900)

    with pytest.raises(InputError, match=r"cannot be read|is damaged"):
        inspected(disk)


def test_paths_and_urls_are_bootimages_and_references_are_not(tmp_path: Path) -> None:
    file = tmp_path / "a.qcow2"
    file.touch()

    assert is_bootimage(str(file))
    assert is_bootimage("https://example.com/x.qcow2.gz")
    assert is_bootimage("stream:rhcos.json#x86_64/qemu/qcow2.gz")
    assert not is_bootimage("docker://registry.example/x")
    assert not is_bootimage(f"oci-archive:{file}")
    assert not is_bootimage(str(tmp_path))
