"""Live media of the stand-in: an ISO, its parts for the network, and the metal image to install.

Arranged as CoreOS' own: `images/pxeboot` has kernel, initramfs and rootfs, and a config goes into
`images/ignition.img`. The rootfs is a cpio archive that begins with the squashfs, which can thus be
mounted in place from the ISO.

Source: coreos/coreos-assembler, cmd-buildextend-live.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import dataclass
from pathlib import Path

from harness import process
from harness.images import cpio, live_iso
from harness.model.clock import Deadline
from harness.standin import disk
from harness.standin.boot_loader import install_for_uefi, make_grub_for_cd
from harness.standin.disk import Sysroot
from harness.standin.rootfs import Debian

PLATFORM = "metal"
KERNEL, INITRAMFS, ROOTFS = "vmlinuz", "initrd.img", "rootfs.img"
ISO, METAL = "live.iso", "metal.raw.zst"
# Where a live system of the ISO finds the image to install.
_METAL_IN_ISO = "images/metal.raw.zst"
_EFI_MIB = 4
_IGNITION_AREA_BYTES = 256 * 1024
METAL_MIB = 3072
_CONFIG = """\
serial --unit=0 --speed=115200
terminal_output serial
set timeout=0
linux /images/pxeboot/vmlinuz {arguments}
initrd /images/pxeboot/initrd.img /images/ignition.img
boot
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaSource:
    """The input of media: a sysroot that boots as `metal`, and its version."""

    sysroot: Sysroot
    kernel: Path
    initramfs: Path
    version: str
    kernel_arguments: tuple[str, ...]


def make(source: MediaSource, debian: Debian, folder: Path, work: Path, deadline: Deadline) -> None:
    """Write kernel, initramfs, rootfs, the metal image and the ISO to `folder`."""
    folder.mkdir()
    squashfs = work / "root.squashfs"
    _squash(source.sysroot, squashfs, deadline)
    _write_rootfs(folder / ROOTFS, squashfs, source.version)
    squashfs.unlink()
    shutil.copy(source.kernel, folder / KERNEL)
    _write_initramfs(source, folder)
    raw = work / "metal.raw"
    disk.write_disk(source.sysroot, debian, METAL_MIB, raw, deadline)
    process.run(["zstd", "-q", "-3", "-T0", "--check", raw, "-o", folder / METAL], deadline)
    raw.unlink()
    with (folder / METAL).open("rb") as packed:
        digest = hashlib.file_digest(packed, "sha256").hexdigest()
    (folder / f"{METAL}.sha256").write_text(f"{digest}\n", encoding="utf-8")
    _write_iso(source, debian, folder, work / "iso", deadline)


def metal_arguments(arguments: tuple[str, ...]) -> tuple[str, ...]:
    """Return a disk's kernel arguments, for a machine without a cloud's metadata service."""
    kept = (word for word in arguments if not word.startswith("ignition.platform.id="))
    return (*kept, f"ignition.platform.id={PLATFORM}")


def live_arguments(arguments: tuple[str, ...]) -> tuple[str, ...]:
    """Return the kernel arguments of a live system, except for the place of its root."""
    kept = (word for word in arguments if word != "rw" and not word.startswith("root="))
    return (*metal_arguments(tuple(kept)), "ignition.firstboot")


def _squash(sysroot: Sysroot, squashfs: Path, deadline: Deadline) -> None:
    # A squashfs is read-only anyway, and ostree-prepare-root would try to remount it so.
    _set_readonly(sysroot, "false", deadline)
    # Emulated guests decompress all that they read: lz4 costs least.
    process.run(
        [
            "mksquashfs", sysroot.path, squashfs,
            "-comp", "lz4", "-no-xattrs", "-no-progress", "-noappend", "-quiet",
            "-e", "boot/ignition.firstboot",  # the disk's; -e has to come last
        ],
        deadline,
    )  # fmt: skip
    _set_readonly(sysroot, "true", deadline)


def _set_readonly(sysroot: Sysroot, value: str, deadline: Deadline) -> None:
    setting = ["set", "sysroot.readonly", value]
    process.run(["ostree", "config", f"--repo={sysroot.repo}", *setting], deadline)


def _write_rootfs(rootfs: Path, squashfs: Path, version: str) -> None:
    with rootfs.open("wb") as stream:
        # The generator in the initramfs knows its offset by the length of this name.
        cpio.write_file(stream, "root.squashfs", squashfs)
        stream.write(cpio.archive([("etc/coreos-live-rootfs", version.encode())]))


def _write_initramfs(source: MediaSource, folder: Path) -> None:
    with (folder / ROOTFS).open("rb") as rootfs:
        wanted = hashlib.file_digest(rootfs, "sha256").hexdigest()
    contents = source.initramfs.read_bytes()
    stamps = [
        ("etc/coreos-live-initramfs", source.version.encode()),
        ("etc/coreos-live-want-rootfs", wanted.encode()),
    ]
    aligned = contents + bytes(-len(contents) % 4)
    (folder / INITRAMFS).write_bytes(aligned + cpio.archive(stamps))


def _write_iso(
    source: MediaSource, debian: Debian, folder: Path, work: Path, deadline: Deadline
) -> None:
    label = f"stand-in-{source.version}"
    pxeboot = work / "images/pxeboot"
    pxeboot.mkdir(parents=True)
    for name in (KERNEL, INITRAMFS, ROOTFS):
        (pxeboot / name).hardlink_to(folder / name)
    for suffix in ("", ".sha256"):
        (work / f"{_METAL_IN_ISO}{suffix}").hardlink_to(folder / f"{METAL}{suffix}")
    (work / "images/ignition.img").write_bytes(bytes(_IGNITION_AREA_BYTES))
    (work / "coreos").mkdir()
    (work / "coreos/igninfo.json").write_text(json.dumps({"file": "images/ignition.img"}) + "\n")
    arguments = (*live_arguments(source.kernel_arguments), f"coreos.liveiso={label}")
    (work / "boot/grub").mkdir(parents=True)
    (work / "boot/grub/grub.cfg").write_text(_CONFIG.format(arguments=" ".join(arguments)))
    grub = make_grub_for_cd(debian, label, "/boot/grub", deadline)
    (work / "boot/eltorito.img").write_bytes(grub.core)
    efi = work / "boot/efiboot.img"
    efi.write_bytes(bytes(_EFI_MIB << 20))
    install_for_uefi(efi, grub, (0, _EFI_MIB), deadline)
    process.run(
        [
            # Names of 8.3 letters, as in CoreOS' own; -R adds the full names.
            "xorriso", "-as", "mkisofs", "-quiet", "-iso-level", "1", "-R",
            "-o", folder / ISO, "-V", label,
            "-b", "boot/eltorito.img", "-no-emul-boot", "-boot-load-size", "4",
            "-boot-info-table", "--grub2-boot-info",
            "-eltorito-alt-boot", "-e", "boot/efiboot.img", "-no-emul-boot", work,
        ],
        deadline,
    )  # fmt: skip
    live_iso.mark_ignition_area(folder / ISO)
    shutil.rmtree(work)
