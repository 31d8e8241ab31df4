"""GRUB for the stand-in's disk and ISO: one configuration each, for BIOS and for UEFI.

ostree writes a syslinux file, which GRUB reads. GRUB functions define its commands `linux16` and
`initrd16` and add Ignition's first-boot argument while the stamp is there. GRUB calls them instead
of the real ones only if the platform is called `pc`.
Source: GRUB 2.06, grub-core/lib/syslinux_parse.c.
"""

from __future__ import annotations

import os
import shutil
import struct
from dataclasses import dataclass
from pathlib import Path

from harness import process
from harness.model.clock import Deadline
from harness.standin.coreos import mounted
from harness.standin.rootfs import Debian

_SECTOR = 512
_MIB = 1024 * 1024
_BIOS, _UEFI, _CD = "i386-pc", "x86_64-efi", "i386-pc-eltorito"
_MODULES = (
    "part_gpt", "ext2", "normal", "linux", "configfile", "syslinuxcfg", "test",
    "search", "search_label", "serial", "terminal", "echo",
)  # fmt: skip

_CD_MODULES = ("iso9660", *_MODULES)
_EARLY_CONFIG = "search --no-floppy --label {label} --set=root\nset prefix=($root){at}\nnormal\n"
CONFIG = """\
serial --unit=0 --speed=115200
terminal_output serial
set timeout=0
if [ -f /ignition.firstboot ]; then
    set ignition_firstboot="ignition.firstboot"
fi
export ignition_firstboot
function linux16 { linux "$@" $ignition_firstboot; }
function initrd16 { initrd "$@"; }
set grub_platform=pc
syslinux_source -s /loader/syslinux.cfg
boot
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grub:
    """GRUB's boot sector and core image for BIOS, and its program for UEFI."""

    boot_sector: bytes
    core: bytes
    program: bytes


def make_grub(debian: Debian, deadline: Deadline) -> Grub:
    """Return GRUB, built by Debian's grub-mkimage inside the tree."""
    grub = _unpacked(debian, "boot", "/grub", deadline)
    with mounted(debian.tree, deadline):
        core = _image(debian, _BIOS, ("biosdisk", *_MODULES), deadline)
        program = _image(debian, _UEFI, _MODULES, deadline)
    sector = (grub / f"usr/lib/grub/{_BIOS}/boot.img").read_bytes()
    return Grub(boot_sector=sector, core=core, program=program)


def make_grub_for_cd(debian: Debian, label: str, at: str, deadline: Deadline) -> Grub:
    """Return GRUB for the ISO `label`, with the configuration in its folder `at`.

    BIOS starts `core` from a CD: there is no boot sector.
    """
    _unpacked(debian, label, at, deadline)
    with mounted(debian.tree, deadline):
        core = _image(debian, _CD, ("biosdisk", *_CD_MODULES), deadline)
        program = _image(debian, _UEFI, _CD_MODULES, deadline)
    return Grub(boot_sector=b"", core=core, program=program)


def _unpacked(debian: Debian, label: str, at: str, deadline: Deadline) -> Path:
    grub = debian.tree / "run/grub"
    shutil.rmtree(grub, ignore_errors=True)
    for package in ("grub-common", "grub-pc-bin", "grub-efi-amd64-bin"):
        debian.unpack(package, grub, deadline)
    (grub / "early.cfg").write_text(_EARLY_CONFIG.format(label=label, at=at))
    return grub


def _image(debian: Debian, target: str, modules: tuple[str, ...], deadline: Deadline) -> bytes:
    modules_of = target.removesuffix("-eltorito")
    command: tuple[str | Path, ...] = (
        "chroot", debian.tree, "/run/grub/usr/bin/grub-mkimage", "-O", target,
        "-d", f"/run/grub/usr/lib/grub/{modules_of}", "-p", "/grub", "-c", "/run/grub/early.cfg",
        "-o", f"/run/grub/{target}.img", *modules,
    )  # fmt: skip
    process.run(command, deadline)
    return (debian.tree / f"run/grub/{target}.img").read_bytes()


def install_for_bios(disk: Path, grub: Grub, at_bytes: int) -> None:
    """Install as grub-bios-setup does: write block lists to the boot sector and the core image.

    Source: GRUB 2.06, util/setup.c and include/grub/i386/pc/boot.h (kernel sector at 0x5c; the
    core's first block list at the end of its first sector: start, length, segment).
    """
    boot, core = bytearray(grub.boot_sector[:440]), bytearray(grub.core)
    lba = at_bytes // _SECTOR
    sectors = -(-len(core) // _SECTOR)
    struct.pack_into("<Q", boot, 0x5C, lba)
    struct.pack_into("<QHH", core, _SECTOR - 12, lba + 1, sectors - 1, 0x820)
    with disk.open("r+b") as file:
        file.write(boot)
        file.seek(at_bytes)
        file.write(core)
        file.flush()
        os.fsync(file.fileno())


def install_for_uefi(
    disk: Path, grub: Grub, at_and_size_mib: tuple[int, int], deadline: Deadline
) -> None:
    """Make the EFI system partition, with GRUB at the path that firmware starts by default.

    Source: UEFI specification 2.10, 3.5.1.1 (removable media boot behaviour).
    """
    at_mib, size_mib = at_and_size_mib
    program = disk.with_suffix(".efi")
    program.write_bytes(grub.program)
    partition = f"{disk}@@{at_mib}M"
    sectors = str(size_mib * _MIB // _SECTOR)
    # Only mtools needs a geometry.
    shape = ("-h", "64", "-s", "32", "-T", sectors)
    process.run(("mformat", "-i", partition, "-v", "EFI-SYSTEM", *shape, "::"), deadline)
    process.run(("mmd", "-i", partition, "::/EFI", "::/EFI/BOOT"), deadline)
    process.run(("mcopy", "-i", partition, program, "::/EFI/BOOT/BOOTX64.EFI"), deadline)
    program.unlink()
