from __future__ import annotations

import pytest

from harness.host_needs import Purpose
from harness.machine.domain.architecture import Firmware, architecture
from harness.machine.domain.hardware import PLAIN, Hardware, firmware_for, needs, parse
from harness.model.errors import InputError


@pytest.mark.parametrize(
    ("text", "hardware"),
    [
        ("", PLAIN),
        ("bios", Hardware(firmware=Firmware.BIOS)),
        ("uefi, tpm", Hardware(firmware=Firmware.UEFI, has_tpm=True)),
        ("secure-boot", Hardware(secure_boot=True)),
        ("4k,multipath", Hardware(sector_bytes=4096, is_multipath=True)),
        ("second-nic,", Hardware(has_second_nic=True)),
    ],
)
def test_words_name_the_hardware(text: str, hardware: Hardware) -> None:
    assert parse(text) == hardware
    assert parse(str(hardware).replace("plain", "")) == hardware


def test_unknown_words_are_reported_with_the_known_ones() -> None:
    with pytest.raises(InputError) as caught:
        parse("uefi,floppy,2k")

    assert caught.value.problem == "unknown hardware: floppy, 2k"
    assert "secure-boot, 4k, multipath" in caught.value.remedy


@pytest.mark.parametrize("other", ["uefi", "secure-boot", "4k"])
def test_words_that_contradict_each_other_are_refused(other: str) -> None:
    with pytest.raises(InputError, match=f"bios and {other} exclude each other"):
        parse(f"tpm,{other},bios")


@pytest.mark.parametrize(
    ("arch", "words", "firmware"),
    [
        ("x86_64", "", Firmware.BIOS),
        ("x86_64", "uefi", Firmware.UEFI),
        ("x86_64", "secure-boot", Firmware.UEFI),
        ("x86_64", "4k", Firmware.UEFI),
        ("aarch64", "4k", Firmware.UEFI),
        ("s390x", "4k", None),
    ],
)
def test_default_firmware_supports_the_rest_of_the_hardware(
    arch: str, words: str, firmware: Firmware | None
) -> None:
    assert firmware_for(architecture(arch), parse(words)) is firmware


@pytest.mark.parametrize(
    ("arch", "words", "subject"),
    [
        ("aarch64", "bios", "bios"),
        ("aarch64", "secure-boot", "secure boot"),
        ("s390x", "uefi", "uefi"),
        ("s390x", "tpm", "TPM"),
    ],
)
def test_what_the_architecture_lacks_is_refused(arch: str, words: str, subject: str) -> None:
    with pytest.raises(InputError, match=f"not available on {arch}") as caught:
        firmware_for(architecture(arch), parse(words))

    assert caught.value.subject == subject


@pytest.mark.parametrize(
    ("arch", "words", "purposes"),
    [
        ("x86_64", "multipath,second-nic", ()),
        ("x86_64", "secure-boot,tpm", (Purpose.UEFI, Purpose.TPM)),
        ("aarch64", "", (Purpose.AARCH64,)),
        ("ppc64le", "tpm", (Purpose.TPM,)),
    ],
)
def test_hardware_names_what_the_host_needs_for_it(
    arch: str, words: str, purposes: tuple[Purpose, ...]
) -> None:
    assert needs(architecture(arch), parse(words)) == purposes
