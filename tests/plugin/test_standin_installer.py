"""The stand-in's coreos-installer, run on this host: from an image file to a disk file."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import pytest

from harness.model.clock import Deadline
from harness.process import Completed, run

TOOLS = Path(__file__).parents[2] / "fixtures" / "standin" / "tools"
MIB = 1 << 20
BOOT_AT = 2 * MIB
SYSLINUX = "LABEL x\n\tKERNEL /v\n\tAPPEND root=LABEL=root ignition.platform.id=metal quiet\n"


@pytest.fixture(scope="session")
def command(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("tools") / "coreos-installer"
    env = {"GO111MODULE": "off", "GOFLAGS": ""}
    sources = sorted(TOOLS.glob("coreos-installer*.go"))
    run(["go", "build", "-o", target, *sources], Deadline.after(120), env=env)
    return target


@dataclass(frozen=True)
class Place:
    """An installer, the image file it is given, and the disk file that it writes."""

    command: Path
    image: Path
    disk: Path
    size: int

    def install(self, *options: str, check: bool = True) -> Completed:
        argv = [
            str(self.command),
            "install",
            "--image-file",
            str(self.image),
            str(self.disk),
            *options,
        ]
        env = {"STAND_IN_INSTALL_TO_FILE": "1"}
        return run(argv, Deadline.after(30), env=env, check=check)

    def read(self, path: str) -> str:
        asked = f"{self.disk}?offset={BOOT_AT}"
        return run(["debugfs", "-R", f"cat {path}", asked], Deadline.after(10)).stdout


@pytest.fixture
def place(command: Path, tmp_path: Path) -> Place:
    raw, image, disk = tmp_path / "raw", tmp_path / "metal.raw.zst", tmp_path / "disk"
    make_image(raw, tmp_path / "boot")
    run(["zstd", "-q", raw, "-o", image], Deadline.after(10))
    (tmp_path / "metal.raw.zst.sha256").write_text(hashlib.sha256(image.read_bytes()).hexdigest())
    size = raw.stat().st_size
    disk.write_bytes(b"old" * 1000)
    with disk.open("r+b") as file:
        file.truncate(size + 5 * MIB)
    return Place(command=command, image=image, disk=disk, size=size)


def make_image(raw: Path, boot: Path) -> None:
    (boot / "loader.1/entries").mkdir(parents=True)
    (boot / "loader").symlink_to("loader.1")
    (boot / "loader/syslinux.cfg").write_text(SYSLINUX)
    (boot / "loader/entries/ostree-1.conf").write_text(
        "title x\noptions ignition.platform.id=metal\n"
    )
    with raw.open("wb") as file:
        file.truncate(24 * MIB)
    layout = (
        "label: gpt\nfirst-lba: 34\nstart=1MiB, size=1MiB, name=BIOS-BOOT\nsize=16MiB, name=boot\n"
    )
    run(["sfdisk", "--quiet", raw], Deadline.after(10), text=layout)
    argv = [
        "mkfs.ext4",
        "-q",
        "-F",
        "-L",
        "boot",
        "-E",
        f"offset={BOOT_AT}",
        "-d",
        str(boot),
        str(raw),
        "16m",
    ]
    run(argv, Deadline.after(10))


def test_image_and_config_are_written_and_reported(place: Place, tmp_path: Path) -> None:
    config = tmp_path / "c.ign"
    config.write_text('{"ignition": {"version": "3.2.0"}}')

    done = place.install("--ignition-file", str(config), "--copy-network")

    assert place.read("/ignition/config.ign") == config.read_text()
    assert place.disk.read_bytes()[512:520] == b"EFI PART"
    assert place.disk.stat().st_size == place.size + 5 * MIB
    printed = done.stderr.splitlines()
    assert "--copy-network is ignored" in printed[0]
    assert "Read disk 0.0 GiB/0.0 GiB (100%)" in printed
    assert printed[-2:] == ["Writing Ignition config", "Install complete."]


def test_install_overwrites_the_disk(place: Place) -> None:
    with place.disk.open("r+b") as file:
        file.seek(20 * MIB)
        file.write(b"stale")

    place.install()

    assert place.disk.read_bytes()[20 * MIB : 20 * MIB + 5] == bytes(5)


def test_arguments_are_changed_in_the_entry_and_for_the_boot_loader(place: Place) -> None:
    place.install("--append-karg", "a=b", "--delete-karg=quiet", "--platform", "qemu")

    expected = "\tAPPEND root=LABEL=root ignition.platform.id=qemu a=b\n"
    assert place.read("/loader/syslinux.cfg") == SYSLINUX.splitlines(keepends=True)[0] + (
        "\tKERNEL /v\n" + expected
    )
    entry = place.read("/loader/entries/ostree-1.conf")
    assert entry == "title x\noptions ignition.platform.id=qemu a=b\n"


def test_corrupt_image_leaves_no_partition_table(place: Place) -> None:
    place.image.with_name("metal.raw.zst.sha256").write_text("0" * 64)

    failed = place.install(check=False)

    assert failed.status == 1
    assert "image is corrupt: sha256 is " in failed.stderr
    assert failed.stderr.endswith("Clearing partition table\nError: install failed\n")
    assert place.disk.read_bytes()[:MIB] == bytes(MIB)


def test_image_cut_short_fails(place: Place) -> None:
    packed = place.image.read_bytes()
    place.image.write_bytes(packed[: len(packed) // 2])

    failed = place.install(check=False)

    assert failed.status == 1
    assert "decoding image" in failed.stderr


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ([], "--insecure not specified and signature not found"),
        (["--insecure"], None),
    ],
)
def test_image_without_a_checksum_needs_insecure(
    options: list[str], reason: str | None, place: Place
) -> None:
    place.image.with_name("metal.raw.zst.sha256").unlink()

    ended = place.install(*options, check=False)

    assert ended.status == (1 if reason else 0)
    assert (reason or "skipping verification as requested") in ended.stderr


def test_disk_that_is_too_small_is_refused(place: Place) -> None:
    with place.disk.open("r+b") as file:
        file.truncate(place.size - 1)

    failed = place.install(check=False)

    assert f"{place.disk} is too small: it has {place.size - 1} bytes" in failed.stderr
    assert place.disk.read_bytes()[:3] == b"old", "nothing is touched"


@pytest.mark.parametrize("kind", ["sha512", "sha256"])
def test_config_with_another_hash_is_refused(kind: str, place: Place, tmp_path: Path) -> None:
    config = tmp_path / "c.ign"
    config.write_text("{}")
    right = hashlib.new(kind, b"{}").hexdigest()

    good = place.install("-i", str(config), "--ignition-hash", f"{kind}-{right}", check=False)
    bad = place.install("-i", str(config), "--ignition-hash", f"{kind}-{right[:-1]}x", check=False)

    assert (good.status, bad.status) == (0, 1)
    assert f"hash mismatch, computed '{right}'" in bad.stderr


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ([], "a subcommand is required"),
        (["iso"], "unrecognized subcommand 'iso'"),
        (["install"], "must specify a destination device"),
        (["install", "/dev/null", "--none"], "unexpected argument '--none' found"),
        (["install", "/dev/null", "a"], "unexpected argument 'a' found"),
        (["install", "/dev/null", "-i"], "a value is required for '-i' but none was supplied"),
        (["install", "/dev/null", "-i", "a", "-I", "b"], "cannot be used with '--ignition-url"),
        (["install", "/dev/null", "-I", "http://x/"], "refusing to fetch Ignition config"),
        (["install", "/dev/null", "-i", "/none"], "opening source Ignition config /none"),
        (["install", "/dev/null"], "found no live image to install from"),
        (["install", "/dev/null", "-f", "/x", "--insecure"], "/dev/null is not a block device"),
    ],
)  # fmt: skip
def test_installer_refuses_by_name(args: list[str], message: str, command: Path) -> None:
    refused = run([command, *args], Deadline.after(10), check=False)

    assert refused.status == 1
    assert refused.stderr.startswith("Error: ") or "Error: " in refused.stderr
    assert message in refused.stderr
