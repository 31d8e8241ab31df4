"""A machine's disks and its CD-ROM, as libvirt's elements.

Source: https://libvirt.org/formatdomain.html#hard-drives-floppy-disks-cdroms.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET

from harness.machine.element import add

# What the firmware tries in turn: a disk that holds nothing bootable is passed over.
BOOT_DISK, BOOT_CDROM, BOOT_NETWORK = 1, 2, 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Disk:
    """A virtio disk; the guest finds it as /dev/disk/by-id/virtio-SERIAL."""

    path: Path
    serial: str
    image_format: str = "qcow2"
    is_read_only: bool = False


def disk_elements(disks: tuple[Disk, ...]) -> tuple[ET.Element, ...]:
    """Return an element for each disk; the first one is the one to boot from."""
    return tuple(_disk(disk, index) for index, disk in enumerate(disks))


def _disk(disk: Disk, index: int) -> ET.Element:
    # The disk dies with the machine, so nothing in it has to survive the host.
    element = _drive("disk", disk.path, disk.image_format, "unsafe")
    add(element, "target", {"dev": f"vd{'abcdefgh'[index]}", "bus": "virtio"})
    add(element, "serial", text=disk.serial)
    if disk.is_read_only:
        add(element, "readonly")
    elif index == 0:
        add(element, "boot", {"order": str(BOOT_DISK)})
    return element


def cdrom_element(iso: Path) -> ET.Element:
    """Return a CD-ROM drive with `iso` in it; the guest needs virtio_scsi and sr_mod."""
    element = _drive("cdrom", iso, "raw", "writeback")
    add(element, "target", {"dev": "sda", "bus": "scsi"})
    add(element, "readonly")
    add(element, "boot", {"order": str(BOOT_CDROM)})
    return element


def scsi_controller() -> ET.Element:
    """Return the controller that SCSI drives need; firmware and kernels of every kind know it."""
    return ET.Element("controller", {"type": "scsi", "model": "virtio-scsi"})


def _drive(device: str, path: Path, image_format: str, cache: str) -> ET.Element:
    element = ET.Element("disk", {"type": "file", "device": device})
    add(element, "driver", {"name": "qemu", "type": image_format, "cache": cache})
    add(element, "source", {"file": str(path)})
    return element
