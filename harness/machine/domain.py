"""The libvirt domain of one machine: a value, and the XML it becomes.

A `Domain` is changed with `dataclasses.replace`, so that a checkpoint or a fork can be made from
the domain that runs. Nothing here touches the host: paths are written down, not opened.
Source: https://libvirt.org/formatdomain.html and https://libvirt.org/drvqemu.html (pass-through).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from xml.etree import ElementTree as ET

from harness.machine.architecture import HOST, MAXIMUM, Firmware, IgnitionBy, Kind
from harness.machine.emulator import Emulator

_QEMU = "http://libvirt.org/schemas/domain/qemu/1.0"
_FW_CFG_NAME = "opt/com.coreos/config"
# QEMU's own default lets translated code grow to 1 GiB, which a 3 GiB pod does not have.
_TCG_CACHE_MIB = 256
_NO_ATTRIBUTES: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Disk:
    """A virtio disk; the guest finds it as /dev/disk/by-id/virtio-SERIAL."""

    path: Path
    serial: str
    image_format: str = "qcow2"
    is_read_only: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Port:
    """A virtio-serial port, named as in the guest's /dev/virtio-ports, written to a file."""

    name: str
    path: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Forward:
    """A TCP port on the host's 127.0.0.1 that leads to a port of the guest."""

    host_port: int
    guest_port: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SecurityLabel:
    """How libvirt's security driver `model` labels QEMU; None switches the driver off for it."""

    model: str
    label: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Domain:
    """One virtual machine, complete: `cpu` is `HOST`, `MAXIMUM` or a model's name."""

    name: str
    uuid: str
    emulator: Emulator
    kind: Kind
    cpu: str
    memory_mib: int
    vcpus: int
    disks: tuple[Disk, ...]
    console: Path
    ignition: Path | None = None
    ports: tuple[Port, ...] = ()
    forwards: tuple[Forward, ...] = ()
    firmware: Firmware | None = None
    security: tuple[SecurityLabel, ...] = ()

    def to_xml(self) -> str:
        """Return the domain as libvirt reads it, the same text for the same value."""
        ET.register_namespace("qemu", _QEMU)
        root = ET.Element("domain", {"type": "kvm" if self.kind.is_hardware else "qemu"})
        _add(root, "name", text=self.name)
        _add(root, "uuid", text=self.uuid)
        _add(root, "memory", {"unit": "MiB"}, text=str(self.memory_mib))
        _add(root, "vcpu", text=str(self.vcpus))
        self._add_fw_cfg(root)
        self._add_os(root)
        self._add_features(root)
        root.append(_cpu(self.cpu))
        _add(root, "clock", {"offset": "utc"})
        for event, action in _ACTIONS:
            _add(root, event, text=action)
        self._add_devices(root)
        for label in self.security:
            root.append(_security_label(label))
        self._add_network(root)
        ET.indent(root)
        return ET.tostring(root, encoding="unicode") + "\n"

    @property
    def _ignition_by(self) -> IgnitionBy | None:
        return self.emulator.arch.ignition_by if self.ignition else None

    def _add_fw_cfg(self, root: ET.Element) -> None:
        if self._ignition_by is IgnitionBy.FW_CFG:
            info = _add(root, "sysinfo", {"type": "fwcfg"})
            _add(info, "entry", {"name": _FW_CFG_NAME, "file": str(self.ignition)})

    def _add_os(self, root: ET.Element) -> None:
        arch = self.emulator.arch
        firmware = self.firmware or arch.firmware
        boot = _add(root, "os", {"firmware": "efi"} if firmware is Firmware.UEFI else {})
        _add(boot, "type", {"arch": arch.name, "machine": arch.machine}, text="hvm")
        if firmware is Firmware.UEFI:
            choice = _add(boot, "firmware")
            _add(choice, "feature", {"enabled": "no", "name": "secure-boot"})

    def _add_features(self, root: ET.Element) -> None:
        features = _add(root, "features")
        if self.emulator.arch.has_acpi:
            _add(features, "acpi")
        if not self.kind.is_hardware:
            tcg = _add(features, "tcg")
            _add(tcg, "tb-cache", {"unit": "MiB"}, text=str(_TCG_CACHE_MIB))

    def _add_devices(self, root: ET.Element) -> None:
        devices = _add(root, "devices")
        _add(devices, "emulator", text=str(self.emulator.path))
        for index, disk in enumerate(self._all_disks()):
            devices.append(_disk(disk, index))
        if self.emulator.arch.name != "s390x":
            _add(devices, "controller", {"type": "usb", "model": "none"})
        # Without append the log would lose what was written before a restore from a checkpoint.
        devices.append(_to_file("serial", self.console))
        for port in self.ports:
            channel = _to_file("channel", port.path)
            _add(channel, "target", {"type": "virtio", "name": port.name})
            devices.append(channel)
        rng = _add(devices, "rng", {"model": "virtio"})
        _add(rng, "backend", {"model": "random"}, text="/dev/urandom")
        _add(devices, "memballoon", {"model": "none"})

    def _all_disks(self) -> tuple[Disk, ...]:
        if self.ignition is None or self._ignition_by is not IgnitionBy.DISK:
            return self.disks
        config = Disk(path=self.ignition, serial="ignition", image_format="raw", is_read_only=True)
        return (*self.disks, config)

    def _add_network(self, root: ET.Element) -> None:
        # libvirt 9.0's user-mode interface cannot forward ports; from 9.2 on, and with passt on the
        # host, <portForward> can: then this goes.
        forwards = "".join(
            f",hostfwd=tcp:127.0.0.1:{forward.host_port}-:{forward.guest_port}"
            for forward in self.forwards
        )
        card = f"{self.emulator.arch.net_device},netdev=net0"
        command = _add(root, f"{{{_QEMU}}}commandline")
        for word in ("-netdev", f"user,id=net0{forwards}", "-device", card):
            _add(command, f"{{{_QEMU}}}arg", {"value": word})


_ACTIONS = (("on_poweroff", "destroy"), ("on_reboot", "restart"), ("on_crash", "destroy"))


def _add(
    parent: ET.Element,
    tag: str,
    attributes: Mapping[str, str] = _NO_ATTRIBUTES,
    *,
    text: str | None = None,
) -> ET.Element:
    element = ET.SubElement(parent, tag, dict(attributes))
    element.text = text
    return element


def _cpu(model: str) -> ET.Element:
    if model in (HOST, MAXIMUM):
        return ET.Element("cpu", {"mode": model, "check": "none"})
    cpu = ET.Element("cpu", {"mode": "custom", "match": "exact", "check": "none"})
    _add(cpu, "model", {"fallback": "forbid"}, text=model)
    return cpu


def _disk(disk: Disk, index: int) -> ET.Element:
    element = ET.Element("disk", {"type": "file", "device": "disk"})
    # The disk dies with the machine, so nothing in it has to survive the host.
    _add(element, "driver", {"name": "qemu", "type": disk.image_format, "cache": "unsafe"})
    _add(element, "source", {"file": str(disk.path)})
    _add(element, "target", {"dev": f"vd{'abcdefgh'[index]}", "bus": "virtio"})
    _add(element, "serial", text=disk.serial)
    if disk.is_read_only:
        _add(element, "readonly")
    elif index == 0:
        _add(element, "boot", {"order": "1"})
    return element


def _to_file(kind: str, path: Path) -> ET.Element:
    element = ET.Element(kind, {"type": "file"})
    _add(element, "source", {"path": str(path), "append": "on"})
    return element


def _security_label(label: SecurityLabel) -> ET.Element:
    if label.label is None:
        return ET.Element("seclabel", {"type": "none", "model": label.model})
    attributes = {"type": "static", "model": label.model, "relabel": "no"}
    element = ET.Element("seclabel", attributes)
    _add(element, "label", text=label.label)
    return element
