"""Machines of other architectures: libvirt and QEMU start them, and their firmware runs.

No image of ours is for them, so the disk is blank. Without the QEMU for one, its test is skipped.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from owned import Place, owner_of, private_place, wait_for_words

from harness.machine.domain.emulator import find_emulator
from harness.model.errors import InputError

FIRMWARE_S = 120.0
# What each firmware prints of itself or the disk, and when it gives up on a blank one.
WORDS = {
    "aarch64": ("BdsDxe: failed to load", "UEFI Interactive Shell"),
    "s390x": ("Using virtio-blk", "Failed to load OS from hard disk"),
    "ppc64le": ("SLOF", "Not a bootable device"),
}


@pytest.fixture
def place() -> Iterator[Place]:
    with private_place() as made:
        yield made


@pytest.mark.parametrize("arch", WORDS)
def test_firmware_starts_and_finds_nothing_to_boot(place: Place, arch: str) -> None:
    try:
        find_emulator(arch)
    except InputError as exc:
        pytest.skip(str(exc))

    first, last = WORDS[arch]

    with owner_of(place, "hold", "blank", "--arch", arch, "--memory-mib", "512") as started:
        console = wait_for_words(started.console, last, FIRMWARE_S)

    assert first in console
