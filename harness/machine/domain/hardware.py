"""A machine's parts beside memory and processors, as one parameter of any scenario.

OpenShift nodes have them in the field: firmware, secure boot, disks of 4096-byte sectors, a second
path to the disk, a TPM, a second network card.
"""

from __future__ import annotations

from dataclasses import dataclass

from harness.host_needs import Purpose
from harness.machine.domain.architecture import Architecture, Firmware
from harness.machine.domain.storage import SECTOR_BYTES
from harness.model.errors import InputError

BIG_SECTOR_BYTES = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Hardware:
    """A machine's parts; without a `firmware`, the default one that supports the rest."""

    firmware: Firmware | None = None
    secure_boot: bool = False
    sector_bytes: int = SECTOR_BYTES
    is_multipath: bool = False
    has_tpm: bool = False
    has_second_nic: bool = False

    def __str__(self) -> str:
        words = {
            "secure-boot": self.secure_boot, "4k": self.sector_bytes != SECTOR_BYTES,
            "multipath": self.is_multipath, "tpm": self.has_tpm, "second-nic": self.has_second_nic,
        }  # fmt: skip
        firmware = [] if self.firmware is None else [str(self.firmware)]
        return ",".join([*firmware, *(word for word, is_it in words.items() if is_it)]) or "plain"

    @property
    def needs_uefi(self) -> bool:
        """Whether BIOS cannot boot it, because BIOS reads only sectors of 512 bytes."""
        return self.secure_boot or self.sector_bytes != SECTOR_BYTES


PLAIN = Hardware()

_WORDS = ("bios", "uefi", "secure-boot", "4k", "multipath", "tpm", "second-nic")
_NOT_WITH_BIOS = ("uefi", "secure-boot", "4k")


def parse(text: str) -> Hardware:
    """Return the hardware of a comma list such as `uefi,tpm,4k`; the empty text is plain.

    Raises:
        InputError: a word is unknown, or two contradict each other.
    """
    words = [word.strip() for word in text.split(",") if word.strip()]
    unknown = [word for word in words if word not in _WORDS]
    if unknown:
        problem = f"unknown hardware: {', '.join(unknown)}"
        raise InputError(text, problem, f"Use some of: {', '.join(_WORDS)}.")
    contrary = [word for word in words if word in _NOT_WITH_BIOS]
    if "bios" in words and contrary:
        problem = f"bios and {contrary[0]} exclude each other"
        raise InputError(text, problem, "Remove one of them.")
    return Hardware(
        firmware=next((Firmware(word) for word in words if word in tuple(Firmware)), None),
        secure_boot="secure-boot" in words,
        sector_bytes=BIG_SECTOR_BYTES if "4k" in words else SECTOR_BYTES,
        is_multipath="multipath" in words,
        has_tpm="tpm" in words,
        has_second_nic="second-nic" in words,
    )


def with_required(given: Hardware, words: str) -> Hardware:
    """Return `given` with the hardware of `words` added, which a machine requires.

    Raises:
        InputError: a word is unknown, or the two contradict each other.
    """
    wanted = [*(words.split(",") if words else ()), *(() if given == PLAIN else (str(given),))]
    return parse(",".join(wanted))


def firmware_for(arch: Architecture, hardware: Hardware) -> Firmware | None:
    """Return the firmware for `hardware`, None if the platform has its own.

    Raises:
        InputError: `arch` has no such firmware, no secure boot or no TPM.
    """
    lacking = _lacking(arch, hardware)
    if lacking is not None:
        raise InputError(lacking, f"not available on {arch.name}", f"Remove {lacking}.")
    if hardware.firmware is None and arch.firmware is not None and hardware.needs_uefi:
        return Firmware.UEFI
    return hardware.firmware or arch.firmware


def needs(arch: Architecture, hardware: Hardware) -> tuple[Purpose, ...]:
    """Return what the host needs for it, beside what a plain machine needs."""
    uefi = arch.uefi_needs if firmware_for(arch, hardware) is Firmware.UEFI else None
    tpm = Purpose.TPM if hardware.has_tpm else None
    return tuple(purpose for purpose in (uefi, tpm) if purpose is not None)


def _lacking(arch: Architecture, hardware: Hardware) -> str | None:
    if hardware.firmware not in (None, *arch.firmwares):
        return str(hardware.firmware)
    if hardware.secure_boot and not arch.has_secure_boot:
        return "secure boot"
    if hardware.has_tpm and arch.tpm_model is None:
        return "TPM"
    return None
