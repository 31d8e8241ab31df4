"""The four architectures, a row of data each, and the CPU model to use.

All that depends on the architecture is in a row here; no other module branches on a name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from harness.host_needs import Purpose
from harness.model.errors import InputError


class Accelerator(StrEnum):
    """How QEMU runs guest code."""

    KVM = "kvm"
    TCG = "tcg"

    @property
    def is_hardware(self) -> bool:
        """Whether the host's processor runs the guest's code."""
        return self is Accelerator.KVM


class CpuLevel(StrEnum):
    """The x86-64 level of an image's userspace."""

    V2 = "v2"
    V3 = "v3"


class Firmware(StrEnum):
    """The firmware that starts the guest's boot loader."""

    BIOS = "bios"
    UEFI = "uefi"


class IgnitionBy(StrEnum):
    """Where Ignition looks for its config."""

    FW_CFG = "fw_cfg"
    DISK = "disk"


@dataclass(frozen=True, slots=True, kw_only=True)
class Architecture:
    """One guest architecture: `machine`, devices and buses by QEMU's names.

    `firmwares` begins with the default, and is empty if the platform has its own. `tcg_cpu` is the
    model in emulation; `maximum` means all that QEMU emulates. `slots` are addresses for devices
    that libvirt does not know; it assigns others from the low end. `uefi_needs` is what the host
    needs for UEFI.
    """

    name: str
    machine: str
    bus: str
    slots: tuple[str, ...]
    firmwares: tuple[Firmware, ...]
    ignition_by: IgnitionBy
    tcg_cpu: Mapping[CpuLevel, str]
    has_acpi: bool = False
    has_secure_boot: bool = False
    tpm_model: str | None = None
    uefi_needs: Purpose | None = None

    @property
    def firmware(self) -> Firmware | None:
        """The default firmware, None if the platform has its own."""
        return self.firmwares[0] if self.firmwares else None

    def device(self, kind: str, slot: int) -> str:
        """Return QEMU's word for a virtio device of `kind` in a slot."""
        return f"virtio-{kind}-{self.bus},{self.slots[slot]}"


MAXIMUM = "maximum"
HOST = "host-passthrough"


def _any_level(model: str) -> Mapping[CpuLevel, str]:
    return MappingProxyType(dict.fromkeys(CpuLevel, model))


# Nehalem, Westmere and the maximal model boot and pull within a tenth of each other in emulation.
# Nehalem is x86-64-v2 and nothing more with any QEMU; what needs v3 gets the maximal model.
_X86_TCG = MappingProxyType({CpuLevel.V2: "Nehalem", CpuLevel.V3: MAXIMUM})

_PCI = tuple(f"addr={number:#x}" for number in range(0x10, 0x18))
_CCW = tuple(f"devno=fe.0.{number:04x}" for number in range(0xF00, 0xF08))

# Source: https://coreos.github.io/ignition/supported-platforms/ (qemu) for `ignition_by`.
_ROWS = (
    Architecture(
        name="x86_64", machine="q35", bus="pci", slots=_PCI,
        firmwares=(Firmware.BIOS, Firmware.UEFI), ignition_by=IgnitionBy.FW_CFG,
        tcg_cpu=_X86_TCG, has_acpi=True,
        has_secure_boot=True, tpm_model="tpm-crb", uefi_needs=Purpose.UEFI,
    ),
    Architecture(
        name="aarch64", machine="virt", bus="pci", slots=_PCI, firmwares=(Firmware.UEFI,),
        ignition_by=IgnitionBy.FW_CFG, tcg_cpu=_any_level(MAXIMUM), has_acpi=True,
        tpm_model="tpm-tis", uefi_needs=Purpose.AARCH64,
    ),
    Architecture(
        name="s390x", machine="s390-ccw-virtio", bus="ccw", slots=_CCW, firmwares=(),
        ignition_by=IgnitionBy.DISK, tcg_cpu=_any_level(MAXIMUM),
    ),
    Architecture(
        name="ppc64le", machine="pseries", bus="pci", slots=_PCI, firmwares=(),
        ignition_by=IgnitionBy.DISK, tcg_cpu=_any_level("POWER9"), tpm_model="tpm-spapr",
    ),
)  # fmt: skip
ARCHITECTURES: Mapping[str, Architecture] = MappingProxyType({row.name: row for row in _ROWS})


def architecture(name: str) -> Architecture:
    """Return the architecture of `name`, as `uname -m` prints it.

    Raises:
        InputError: it is not supported.
    """
    try:
        return ARCHITECTURES[name]
    except KeyError as exc:
        known = ", ".join(ARCHITECTURES)
        raise InputError(name, "unsupported architecture", f"Use one of: {known}.") from exc


def cpu_model(arch: Architecture, kind: Accelerator, level: CpuLevel) -> str:
    """Return the guest's CPU: `HOST`, `MAXIMUM` or the name of a model."""
    return HOST if kind.is_hardware else arch.tcg_cpu[level]
