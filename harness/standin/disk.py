"""A bootable ostree disk made without loop devices: GPT, GRUB for BIOS, partitions boot and root.

GRUB 2.06 reads no boot-loader specification, so ostree keeps a syslinux file current and GRUB reads
that. Its commands `linux16` and `initrd16` are defined as GRUB functions which add Ignition's
first-boot argument while the stamp is there.
"""

from __future__ import annotations

import json
import os
import shutil
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness import process
from harness.model.clock import Deadline
from harness.standin.coreos import mounted
from harness.standin.rootfs import Debian

STATEROOT = "rhcos"
_SECTOR = 512
_BIOS_BOOT_TYPE = "21686148-6449-6E6F-744E-656564454649"  # Source: GPT, "BIOS boot".
_MIB = 1024 * 1024
_BIOS_BOOT_MIB, _BOOT_MIB = 1, 256
_MODULES = (
    "part_gpt", "ext2", "biosdisk", "normal", "linux", "configfile", "syslinuxcfg", "test",
    "search", "search_label", "serial", "terminal", "echo",
)  # fmt: skip

_EARLY_CONFIG = "search --no-floppy --label boot --set=root\nset prefix=($root)/grub\nnormal\n"
_CONFIG = """\
serial --unit=0 --speed=115200
terminal_output serial
set timeout=0
if [ -f /ignition.firstboot ]; then
    set ignition_firstboot="ignition.firstboot"
fi
export ignition_firstboot
function linux16 { linux "$@" $ignition_firstboot; }
function initrd16 { initrd "$@"; }
syslinux_source -s /loader/syslinux.cfg
boot
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sysroot:
    """An ostree sysroot in a plain folder: `ostree/`, and `boot/` to become the boot partition."""

    path: Path

    @property
    def repo(self) -> Path:
        """The ostree repository of the system."""
        return self.path / "ostree/repo"


def make_sysroot(path: Path, deadline: Deadline) -> Sysroot:
    """Return an empty sysroot whose boot-loader file GRUB can read."""
    path.mkdir()
    process.run(["ostree", "admin", "init-fs", "--modern", path], deadline)
    process.run(["ostree", "admin", "os-init", f"--sysroot={path}", STATEROOT], deadline)
    sysroot = Sysroot(path=path)
    for setting in ("sysroot.bootloader=syslinux", "sysroot.readonly=true"):
        key, value = setting.split("=")
        process.run(["ostree", "config", f"--repo={sysroot.repo}", "set", key, value], deadline)
    boot = path / "boot"
    (boot / "loader.0").mkdir()
    (boot / "loader").symlink_to("loader.0")
    (boot / "loader.0/syslinux.cfg").write_text("")
    (boot / "syslinux").mkdir()
    (boot / "syslinux/syslinux.cfg").symlink_to("../loader/syslinux.cfg")
    return sysroot


def commit(sysroot: Sysroot, tree: Path, branch: str, version: str, deadline: Deadline) -> str:
    """Commit `tree` and return the checksum."""
    done = process.run(
        [
            "ostree",
            f"--repo={sysroot.repo}",
            "commit",
            f"--branch={branch}",
            f"--tree=dir={tree}",
            f"--add-metadata-string=version={version}",
            "--no-xattrs",
        ],
        deadline,
    )
    return done.stdout.strip()


def name_layer(sysroot: Sysroot, branch: str, digest: str, deadline: Deadline) -> None:
    """Let `branch` also stand for the base image's layer, so that a guest need not pull it again.

    Source: ostree-rs-ext, which keeps each layer it imported as `ostree/container/blob/…`.
    """
    ref = f"ostree/container/blob/{digest.replace(':', '_3A_')}"
    process.run(["ostree", f"--repo={sysroot.repo}", "refs", f"--create={ref}", branch], deadline)


def deploy(sysroot: Sysroot, ref: str, kernel_arguments: Sequence[str], deadline: Deadline) -> None:
    """Make `ref` the deployment that boots, and stamp the boot partition for Ignition."""
    process.run(
        [
            "ostree",
            "admin",
            "deploy",
            f"--sysroot={sysroot.path}",
            f"--os={STATEROOT}",
            "--no-merge",
            *(f"--karg={argument}" for argument in kernel_arguments),
            ref,
        ],
        deadline,
    )
    (sysroot.path / "boot/ignition.firstboot").touch()
    (sysroot.path / "boot/grub").mkdir(exist_ok=True)
    (sysroot.path / "boot/grub/grub.cfg").write_text(_CONFIG)


def write_aleph(sysroot: Sysroot, name: str, version: str) -> None:
    """Tell what the disk was made of, where the machine-config daemon looks for it.

    Source: coreos/coreos-assembler, `.coreos-aleph-version.json` at the physical root.
    """
    aleph = {"build": version, "imgid": name, "ref": ""}
    text = json.dumps(aleph, indent=4) + "\n"
    (sysroot.path / ".coreos-aleph-version.json").write_text(text, encoding="utf-8")


def write_disk(
    sysroot: Sysroot, debian: Debian, size_mib: int, disk: Path, deadline: Deadline
) -> None:
    """Write the raw disk image: boot sector, GRUB core, boot and root file systems."""
    work = disk.parent
    boot_at, root_at = 1 + _BIOS_BOOT_MIB, 1 + _BIOS_BOOT_MIB + _BOOT_MIB
    with disk.open("wb") as file:
        file.truncate(size_mib * _MIB)
    _partition(disk, deadline)
    shutil.move(sysroot.path / "boot", work / "boot")
    (sysroot.path / "boot").mkdir()
    _file_system("boot", work / "boot", _BOOT_MIB, disk, boot_at, deadline)
    _file_system("root", sysroot.path, size_mib - root_at - 1, disk, root_at, deadline)
    install_grub(disk, _core_image(debian, work, deadline))


def to_qcow2(disk: Path, image: Path, deadline: Deadline) -> None:
    """Convert the raw disk to qcow2; not compressed, since every emulated read would pay for it."""
    process.run(["qemu-img", "convert", "-O", "qcow2", "-W", "-m4", disk, image], deadline)


def _partition(disk: Path, deadline: Deadline) -> None:
    layout = (
        "label: gpt\nfirst-lba: 34\n"
        f"start=1MiB, size={_BIOS_BOOT_MIB}MiB, name=BIOS-BOOT, type={_BIOS_BOOT_TYPE}\n"
        f"size={_BOOT_MIB}MiB, name=boot\nname=root\n"
    )
    process.run(["sfdisk", "--quiet", disk], deadline, text=layout)


def _file_system(
    label: str, source: Path, size_mib: int, disk: Path, at_mib: int, deadline: Deadline
) -> None:
    offset = f"offset={at_mib * _MIB}"
    process.run(
        [
            "mkfs.ext4",
            "-q",
            "-F",
            "-L",
            label,
            "-E",
            f"{offset},lazy_itable_init=0,lazy_journal_init=0",
            "-O",
            "^metadata_csum_seed,^orphan_file" if _new_mkfs(deadline) else "^metadata_csum_seed",
            "-b",
            "4096",
            "-d",
            source,
            disk,
            f"{size_mib * 256}",
        ],
        deadline,
    )


def _new_mkfs(deadline: Deadline) -> bool:
    # orphan_file (1.47) is unknown to the guest's tools and to GRUB; older ones refuse its name.
    version = process.run(["mkfs.ext4", "-V"], deadline, check=False).stderr
    major, minor = (int(part) for part in version.split()[1].split(".")[:2])
    return (major, minor) >= (1, 47)


def _core_image(debian: Debian, work: Path, deadline: Deadline) -> tuple[bytes, bytes]:
    """Return GRUB's boot sector and core image, made by Debian's grub-mkimage inside the tree."""
    grub = debian.tree / "run/grub"
    shutil.rmtree(grub, ignore_errors=True)
    for package in ("grub-common", "grub-pc-bin"):
        debian.unpack(package, grub, deadline)
    (grub / "early.cfg").write_text(_EARLY_CONFIG)
    with mounted(debian.tree, deadline):
        process.run(
            [
                "chroot",
                debian.tree,
                "/run/grub/usr/bin/grub-mkimage",
                "-O",
                "i386-pc",
                "-d",
                "/run/grub/usr/lib/grub/i386-pc",
                "-p",
                "/grub",
                "-c",
                "/run/grub/early.cfg",
                "-o",
                "/run/grub/core.img",
                *_MODULES,
            ],
            deadline,
        )
    return (grub / "usr/lib/grub/i386-pc/boot.img").read_bytes(), (grub / "core.img").read_bytes()


def install_grub(disk: Path, images: tuple[bytes, bytes]) -> None:
    """Do on a file what grub-bios-setup does: block lists in the boot sector and the core image.

    Source: GRUB 2.06, util/setup.c and include/grub/i386/pc/boot.h (kernel sector at 0x5c; the
    core's first block list at the end of its first sector: start, length, segment).
    """
    boot, core = bytearray(images[0][:440]), bytearray(images[1])
    lba = _MIB // _SECTOR
    sectors = -(-len(core) // _SECTOR)
    struct.pack_into("<Q", boot, 0x5C, lba)
    struct.pack_into("<QHH", core, _SECTOR - 12, lba + 1, sectors - 1, 0x820)
    with disk.open("r+b") as file:
        file.write(boot)
        file.seek(_MIB)
        file.write(core)
        file.flush()
        os.fsync(file.fileno())
