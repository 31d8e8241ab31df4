"""The libvirt domain of one machine as a value, and its XML.

Nothing here touches the host: paths are written, not opened.
Source: https://libvirt.org/formatdomain.html and https://libvirt.org/drvqemu.html (pass-through).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from xml.etree import ElementTree as ET

from harness.machine.domain.architecture import HOST, MAXIMUM, Accelerator, Firmware, IgnitionBy
from harness.machine.domain.element import add
from harness.machine.domain.emulator import Emulator
from harness.machine.domain.hardware import PLAIN, Hardware, firmware_for
from harness.machine.domain.network import Forward, Network
from harness.machine.domain.ram import Ram
from harness.machine.domain.segment import Segment
from harness.machine.domain.storage import (
    Disk,
    Paths,
    cdrom_element,
    disk_elements,
    scsi_controller,
)
from harness.machine.driver import SecurityLabel

_QEMU = "http://libvirt.org/schemas/domain/qemu/1.0"
_FW_CFG_NAME = "opt/com.coreos/config"
# By default, translated code grows to 1 GiB, too much for a pod of 3 GiB.
_TCG_CACHE_MIB = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Port:
    """A virtio-serial port by its name in the guest's /dev/virtio-ports, and its file."""

    name: str
    path: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Domain:
    """One virtual machine: `cpu` is `HOST`, `MAXIMUM` or a model's name.

    The first disk boots; while it cannot, the ISO `cdrom` does, and then the iPXE script at the URL
    `netboot`. `ram` is the file of its memory. `generation` is a UUID that no two machines of one
    past share: the guest's kernel makes its random numbers anew when it changes. A domain that
    `is_incoming` waits for the state of another one.
    """

    name: str
    uuid: str
    emulator: Emulator
    kind: Accelerator
    cpu: str
    memory_mib: int
    vcpus: int
    disks: tuple[Disk | Paths, ...]
    console: Path
    ignition: Path | None = None
    ports: tuple[Port, ...] = ()
    forwards: tuple[Forward, ...] = ()
    hardware: Hardware = PLAIN
    segment: Segment | None = None
    cdrom: Path | None = None
    netboot: str | None = None
    security: tuple[SecurityLabel, ...] = ()
    ram: Ram | None = None
    generation: str = ""
    is_incoming: bool = False

    def to_xml(self) -> str:
        """Return the domain's XML, the same text for the same value.

        Raises:
            InputError: the architecture lacks a part of the hardware, or `netboot` is too long.
        """
        ET.register_namespace("qemu", _QEMU)
        root = ET.Element("domain", {"type": "kvm" if self.kind.is_hardware else "qemu"})
        add(root, "name", text=self.name)
        add(root, "uuid", text=self.uuid)
        if self.generation and self.emulator.arch.has_acpi:
            add(root, "genid", text=self.generation)
        add(root, "memory", {"unit": "MiB"}, text=str(self.memory_mib))
        add(root, "vcpu", text=str(self.vcpus))
        self._add_fw_cfg(root)
        self._add_os(root)
        self._add_features(root)
        root.append(_cpu(self.cpu))
        add(root, "clock", {"offset": "utc"})
        for event, action in _ACTIONS:
            add(root, event, text=action)
        self._add_devices(root)
        for label in self.security:
            root.append(_security_label(label))
        self._add_command_line(root)
        ET.indent(root)
        return ET.tostring(root, encoding="unicode") + "\n"

    @property
    def _ignition_by(self) -> IgnitionBy | None:
        return self.emulator.arch.ignition_by if self.ignition else None

    def _add_fw_cfg(self, root: ET.Element) -> None:
        if self._ignition_by is IgnitionBy.FW_CFG:
            info = add(root, "sysinfo", {"type": "fwcfg"})
            add(info, "entry", {"name": _FW_CFG_NAME, "file": str(self.ignition)})

    def _add_os(self, root: ET.Element) -> None:
        arch = self.emulator.arch
        firmware = firmware_for(arch, self.hardware)
        boot = add(root, "os", {"firmware": "efi"} if firmware is Firmware.UEFI else {})
        add(boot, "type", {"arch": arch.name, "machine": arch.machine}, text="hvm")
        if firmware is Firmware.UEFI:
            _add_secure_boot(boot, is_on=self.hardware.secure_boot)
        elif firmware is Firmware.BIOS and (self.cdrom or self.netboot):
            # Only the firmware reports why a medium does not boot; our own disks do.
            add(boot, "bios", {"useserial": "yes"})

    def _add_features(self, root: ET.Element) -> None:
        features = add(root, "features")
        if self.emulator.arch.has_acpi:
            add(features, "acpi")
        if self.hardware.secure_boot:
            add(features, "smm", {"state": "on"})
        if not self.kind.is_hardware:
            tcg = add(features, "tcg")
            add(tcg, "tb-cache", {"unit": "MiB"}, text=str(_TCG_CACHE_MIB))

    def _add_devices(self, root: ET.Element) -> None:
        devices = add(root, "devices")
        add(devices, "emulator", text=str(self.emulator.path))
        devices.extend(disk_elements(self._libvirt_disks()))
        if self.cdrom is not None:
            devices.append(cdrom_element(self.cdrom))
            devices.append(scsi_controller())
        if self.emulator.arch.name != "s390x":
            add(devices, "controller", {"type": "usb", "model": "none"})
        devices.append(_to_file("serial", self.console))
        for port in self.ports:
            channel = _to_file("channel", port.path)
            add(channel, "target", {"type": "virtio", "name": port.name})
            devices.append(channel)
        rng = add(devices, "rng", {"model": "virtio"})
        add(rng, "backend", {"model": "random"}, text="/dev/urandom")
        add(devices, "memballoon", {"model": "none"})
        if self.hardware.has_tpm:
            tpm = add(devices, "tpm", {"model": self.emulator.arch.tpm_model or ""})
            add(tpm, "backend", {"type": "emulator", "version": "2.0"})

    def _libvirt_disks(self) -> tuple[Disk, ...]:
        disks = tuple(disk for disk in self.disks if isinstance(disk, Disk))
        if self.ignition is None or self._ignition_by is not IgnitionBy.DISK:
            return disks
        config = Disk(path=self.ignition, serial="ignition", image_format="raw", is_read_only=True)
        return (*disks, config)

    def _add_command_line(self, root: ET.Element) -> None:
        arch = self.emulator.arch
        network = Network(
            forwards=self.forwards, boots=self.netboot,
            has_second_nic=self.hardware.has_second_nic, segment=self.segment,
        )  # fmt: skip
        others = [disk.qemu_words(arch) for disk in self.disks if isinstance(disk, Paths)]
        ram = () if self.ram is None else self.ram.qemu_words(self.memory_mib)
        incoming = ("-incoming", "defer") if self.is_incoming else ()
        command = add(root, f"{{{_QEMU}}}commandline")
        for word in (
            *network.qemu_words(arch), *chain.from_iterable(others), *ram, *incoming
        ):  # fmt: skip
            add(command, f"{{{_QEMU}}}arg", {"value": word})


_ACTIONS = (("on_poweroff", "destroy"), ("on_reboot", "restart"), ("on_crash", "destroy"))


def _add_secure_boot(boot: ET.Element, *, is_on: bool) -> None:
    # Without enrolled keys, secure boot firmware trusts everyone.
    choice = add(boot, "firmware")
    add(choice, "feature", {"enabled": "yes" if is_on else "no", "name": "secure-boot"})
    if is_on:
        add(choice, "feature", {"enabled": "yes", "name": "enrolled-keys"})


def _cpu(model: str) -> ET.Element:
    if model in (HOST, MAXIMUM):
        return ET.Element("cpu", {"mode": model, "check": "none"})
    cpu = ET.Element("cpu", {"mode": "custom", "match": "exact", "check": "none"})
    add(cpu, "model", {"fallback": "forbid"}, text=model)
    return cpu


def _to_file(kind: str, path: Path) -> ET.Element:
    element = ET.Element(kind, {"type": "file"})
    # Without append, opening the file again truncates it.
    add(element, "source", {"path": str(path), "append": "on"})
    return element


def _security_label(label: SecurityLabel) -> ET.Element:
    if label.label is None:
        return ET.Element("seclabel", {"type": "none", "model": label.model})
    attributes = {"type": "static", "model": label.model, "relabel": "no"}
    element = ET.Element("seclabel", attributes)
    add(element, "label", text=label.label)
    return element
