"""The optional hardware of a machine, as a guest sees it: one boot of the stand-in for many.

The guest writes what it sees to its console.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from owned import Place, owner_of, private_place, serving, wait_for_words

from harness.model.clock import Deadline
from harness.model.ignition import Config, File, Unit, render
from harness.standin import build
from harness.standin.build import StandIn

BOOT_S = 400.0
SEEN = "hardware:"
SCRIPT = f"""\
#!/bin/bash
set -euo pipefail
modprobe tpm_crb || true
udevadm settle
{{
    echo "{SEEN} firmware $([ -d /sys/firmware/efi ] && echo uefi || echo bios)"
    for tpm in /sys/class/tpm/tpm*; do echo "{SEEN} tpm $(< "$tpm/tpm_version_major")"; done
    lsblk --nodeps --noheadings --output NAME,WWN,SERIAL,LOG-SEC | sed 's/^/{SEEN} disk /'
    for card in /sys/class/net/*; do echo "{SEEN} card $(basename "$card")"; done
    echo "{SEEN} end"
}} > /dev/ttyS0
"""
UNIT = """\
[Unit]
After=basic.target
[Service]
Type=oneshot
ExecStart=/usr/local/bin/report-hardware
[Install]
WantedBy=multi-user.target
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Guest:
    """A guest's report of its hardware, by the kind of part."""

    console: str

    def parts(self, kind: str) -> list[list[str]]:
        lines = (line.partition(SEEN)[2].split() for line in self.console.splitlines())
        return [words[1:] for words in lines if words[:1] == [kind]]


@pytest.fixture
def place() -> Iterator[Place]:
    with private_place() as made:
        yield made


@pytest.fixture(scope="module")
def stand_in() -> StandIn:
    return build.ensure(Deadline.after(build.LIMIT_S), lambda _: None)


def reporting_config(folder: Path) -> Path:
    script = File(path="/usr/local/bin/report-hardware", contents=SCRIPT, mode=0o755)
    unit = Unit(name="report-hardware.service", contents=UNIT, enabled=True)
    config = folder / "report.ign"
    config.write_text(render(Config(files=(script,), units=(unit,)).to_document()))
    return config


def test_guest_sees_uefi_tpm_second_card_and_both_paths_to_its_disk(
    place: Place, stand_in: StandIn
) -> None:
    config = reporting_config(place.folder)
    words = ("--hardware", "uefi,tpm,second-nic,multipath", "--memory-mib", "1536")

    with owner_of(place, "hold", stand_in.bootimage, *words, "--ignition", config) as started:
        guest = Guest(console=wait_for_words(started.console, f"{SEEN} end", BOOT_S))

    assert guest.parts("firmware") == [["uefi"]]
    assert guest.parts("tpm") == [["2"]]
    assert len([card for (card,) in guest.parts("card") if card != "lo"]) == 2
    first, second = guest.parts("disk")
    assert first[0] != second[0]
    assert first[1:] == second[1:] == ["0x5525400000000001", "root", "512"]


# The initramfs alone is enough to look at a disk: its shell is the first process.
LOOK = (
    "modprobe virtio_pci; modprobe virtio_blk; mount -t sysfs none /sys; sleep 1; "
    f"echo {SEEN} sectors $(cat /sys/block/vda/queue/logical_block_size); sleep 9999"
)
NETBOOT = f"""\
#!ipxe
kernel vmlinuz initrd=initrd.img console=ttyS0 8250.nr_uarts=1 rdinit=/bin/bash -- -c "{LOOK}"
initrd initrd.img
boot
"""


def test_guest_booted_by_uefi_from_the_network_sees_big_sectors(
    place: Place, stand_in: StandIn
) -> None:
    (place.folder / "vmlinuz").symlink_to(stand_in.live.kernel)
    (place.folder / "initrd.img").symlink_to(stand_in.live.initramfs)
    (place.folder / "boot.ipxe").write_text(NETBOOT)
    words = ("--hardware", "4k", "--memory-mib", "768")

    with (
        serving(place.folder) as address,
        owner_of(place, "hold", "blank", *words, "--netboot", f"{address}/boot.ipxe") as started,
    ):
        console = wait_for_words(started.console, f"{SEEN} sectors 4096\n", BOOT_S)

    assert "efi: EFI v" in console


def test_secure_boot_refuses_the_unsigned_loader(place: Place, stand_in: StandIn) -> None:
    with owner_of(
        place, "hold", stand_in.bootimage, "--hardware", "secure-boot", "--memory-mib", "512"
    ) as started:
        console = wait_for_words(started.console, "No bootable option or device was found")

    assert console.count("Access Denied") + console.count("Security Violation") >= 1
    assert "Linux version" not in console
