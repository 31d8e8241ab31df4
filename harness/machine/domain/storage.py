"""A machine's disks and its CD-ROM, as libvirt's elements or QEMU's words.

Source: https://libvirt.org/formatdomain.html#hard-drives-floppy-disks-cdroms.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET

from harness.machine.domain.architecture import Architecture
from harness.machine.domain.element import add

# The firmware tries them in this order, and skips what does not boot.
BOOT_DISK, BOOT_CDROM, BOOT_NETWORK, _AFTER_ALL = 1, 2, 3, 4
SECTOR_BYTES = 512
_PATH_SLOTS = (3, 4)
# An IEEE registered identifier with a locally administered address as vendor.
_WWN = 0x5525400000000001
_NBD = "driver=nbd,server.type=unix"


@dataclass(frozen=True, slots=True, kw_only=True)
class Disk:
    """A virtio disk; the guest finds it as /dev/disk/by-id/virtio-SERIAL."""

    path: Path
    serial: str
    image_format: str = "qcow2"
    is_read_only: bool = False
    sector_bytes: int = SECTOR_BYTES


@dataclass(frozen=True, slots=True, kw_only=True)
class Paths:
    """One disk that the guest sees twice, as over two cables; `nbd` is the socket that serves it.

    libvirt refuses two disks with one WWN, so QEMU gets them directly, as in CoreOS's own tests.
    Source: coreos-assembler, mantle/platform/qemu.go (MultiPathDisk).
    """

    nbd: Path
    serial: str
    sector_bytes: int = SECTOR_BYTES

    @property
    def path(self) -> Path:
        """The socket, in place of another disk's file."""
        return self.nbd

    def qemu_words(self, arch: Architecture) -> Iterator[str]:
        """Yield the words for a controller and a disk per path."""
        for number, slot in enumerate(_PATH_SLOTS):
            yield from ("-blockdev", f"{_NBD},node-name=path{number},server.path={self.nbd}")
            yield from ("-device", f"{arch.device('scsi', slot)},id=scsi-path{number}")
            disk = (
                f"scsi-hd,bus=scsi-path{number}.0,drive=path{number},serial={self.serial}",
                f"wwn={_WWN:#x},bootindex={BOOT_DISK + number * _AFTER_ALL}",
                f"logical_block_size={self.sector_bytes},physical_block_size={self.sector_bytes}",
            )
            yield from ("-device", ",".join(disk))


def disk_elements(disks: tuple[Disk, ...]) -> tuple[ET.Element, ...]:
    """Return an element for each disk; the first one boots."""
    return tuple(_disk(disk, index) for index, disk in enumerate(disks))


def _disk(disk: Disk, index: int) -> ET.Element:
    # The disk ends with the machine: it need not survive a crash of the host.
    element = _drive("disk", disk.path, disk.image_format, "unsafe")
    add(element, "target", {"dev": f"vd{'abcdefgh'[index]}", "bus": "virtio"})
    add(element, "serial", text=disk.serial)
    if disk.sector_bytes != SECTOR_BYTES:
        size = str(disk.sector_bytes)
        add(element, "blockio", {"logical_block_size": size, "physical_block_size": size})
    if disk.is_read_only:
        add(element, "readonly")
    elif index == 0:
        add(element, "boot", {"order": str(BOOT_DISK)})
    return element


def cdrom_element(iso: Path) -> ET.Element:
    """Return a CD-ROM drive with `iso`; the guest needs virtio_scsi and sr_mod."""
    element = _drive("cdrom", iso, "raw", "writeback")
    add(element, "target", {"dev": "sda", "bus": "scsi"})
    add(element, "readonly")
    add(element, "boot", {"order": str(BOOT_CDROM)})
    return element


def scsi_controller() -> ET.Element:
    """Return the controller for SCSI drives, of a model that all firmware and kernels support."""
    return ET.Element("controller", {"type": "scsi", "model": "virtio-scsi"})


def _drive(device: str, path: Path, image_format: str, cache: str) -> ET.Element:
    element = ET.Element("disk", {"type": "file", "device": device})
    add(element, "driver", {"name": "qemu", "type": image_format, "cache": cache})
    add(element, "source", {"file": str(path)})
    return element
