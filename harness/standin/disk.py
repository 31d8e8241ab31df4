"""A bootable ostree disk made without loop devices: GPT, partitions for GRUB, boot and root.

GRUB 2.06 does not read boot-loader specification entries, so ostree writes a syslinux file that
GRUB reads: see `boot_loader`. Partitions are those of CoreOS, in its order.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness import process
from harness.model.clock import Deadline
from harness.standin.boot_loader import CONFIG, install_for_bios, install_for_uefi, make_grub
from harness.standin.rootfs import Debian

STATEROOT = "rhcos"
# Source: UEFI specification 2.10, 5.3.3 (EFI System), and GRUB's manual (BIOS boot).
_EFI_TYPE = "C12A7328-F81F-11D2-BA4B-00A0C93EC93B"
_BIOS_BOOT_TYPE = "21686148-6449-6E6F-744E-656564454649"
_MIB = 1024 * 1024
_BIOS_BOOT_MIB, _EFI_MIB, _BOOT_MIB = 1, 16, 256
_EFI_AT_MIB = 1 + _BIOS_BOOT_MIB


@dataclass(frozen=True, slots=True, kw_only=True)
class Sysroot:
    """An ostree sysroot in a plain folder: `ostree/`, and `boot/`, the later boot partition."""

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
    """Name the commit of `branch` as the base image's layer: a guest need not pull it again.

    Source: ostree-rs-ext, which keeps each layer it imported as `ostree/container/blob/…`.
    """
    ref = f"ostree/container/blob/{digest.replace(':', '_3A_')}"
    process.run(["ostree", f"--repo={sysroot.repo}", "refs", f"--create={ref}", branch], deadline)


def deploy(sysroot: Sysroot, ref: str, kernel_arguments: Sequence[str], deadline: Deadline) -> None:
    """Make `ref` the deployment to boot, and stamp the boot partition for Ignition."""
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
    (sysroot.path / "boot/grub/grub.cfg").write_text(CONFIG)


def write_aleph(sysroot: Sysroot, name: str, version: str) -> None:
    """Write what the disk was made of, for the machine-config daemon.

    Source: coreos/coreos-assembler, `.coreos-aleph-version.json` at the physical root.
    """
    aleph = {"build": version, "imgid": name, "ref": ""}
    text = json.dumps(aleph, indent=4) + "\n"
    (sysroot.path / ".coreos-aleph-version.json").write_text(text, encoding="utf-8")


def write_disk(
    sysroot: Sysroot, debian: Debian, size_mib: int, disk: Path, deadline: Deadline
) -> None:
    """Write the raw disk image: GRUB for BIOS and for UEFI, boot and root file systems."""
    work = disk.parent
    boot_at = _EFI_AT_MIB + _EFI_MIB
    root_at = boot_at + _BOOT_MIB
    with disk.open("wb") as file:
        file.truncate(size_mib * _MIB)
    _partition(disk, deadline)
    shutil.move(sysroot.path / "boot", work / "boot")
    (sysroot.path / "boot").mkdir()
    _file_system("boot", work / "boot", _BOOT_MIB, disk, boot_at, deadline)
    _file_system("root", sysroot.path, size_mib - root_at - 1, disk, root_at, deadline)
    grub = make_grub(debian, deadline)
    install_for_bios(disk, grub, _MIB)
    install_for_uefi(disk, grub, (_EFI_AT_MIB, _EFI_MIB), deadline)


def to_qcow2(disk: Path, image: Path, deadline: Deadline) -> None:
    """Convert the raw disk to qcow2, uncompressed: emulated guests read that faster."""
    process.run(["qemu-img", "convert", "-O", "qcow2", "-W", "-m4", disk, image], deadline)


def _partition(disk: Path, deadline: Deadline) -> None:
    layout = (
        "label: gpt\nfirst-lba: 34\n"
        f"start=1MiB, size={_BIOS_BOOT_MIB}MiB, name=BIOS-BOOT, type={_BIOS_BOOT_TYPE}\n"
        f"size={_EFI_MIB}MiB, name=EFI-SYSTEM, type={_EFI_TYPE}\n"
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
    # The guest's tools and GRUB do not know orphan_file (1.47); an older mkfs refuses the name.
    version = process.run(["mkfs.ext4", "-V"], deadline, check=False).stderr
    major, minor = (int(part) for part in version.split()[1].split(".")[:2])
    return (major, minor) >= (1, 47)
