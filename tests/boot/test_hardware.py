"""The hardware that a machine may have, as a guest sees it: one boot of the stand-in for many.

The guest writes what it sees to its console.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from owned import Place, owner_of, private_place, wait_for_words

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
ExecStart=/usr/local/bin/tell-hardware
[Install]
WantedBy=multi-user.target
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Guest:
    """What a guest told of its hardware, by the kind of part."""

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


def telling_config(folder: Path) -> Path:
    script = File(path="/usr/local/bin/tell-hardware", contents=SCRIPT, mode=0o755)
    unit = Unit(name="tell-hardware.service", contents=UNIT, enabled=True)
    config = folder / "tell.ign"
    config.write_text(render(Config(files=(script,), units=(unit,)).to_document()))
    return config


def test_guest_sees_uefi_tpm_second_card_and_both_paths_to_its_disk(
    place: Place, stand_in: StandIn
) -> None:
    config = telling_config(place.folder)
    words = ("--hardware", "uefi,tpm,second-nic,multipath", "--memory-mib", "1536")

    with owner_of(place, "hold", stand_in.bootimage, *words, "--ignition", config) as started:
        guest = Guest(console=wait_for_words(started.console, f"{SEEN} end", BOOT_S))

    assert guest.parts("firmware") == [["uefi"]]
    assert guest.parts("tpm") == [["2"]]
    assert len([card for (card,) in guest.parts("card") if card != "lo"]) == 2
    first, second = guest.parts("disk")
    assert first[0] != second[0]
    assert first[1:] == second[1:] == ["0x5525400000000001", "root", "512"]


def test_secure_boot_refuses_the_unsigned_loader(place: Place, stand_in: StandIn) -> None:
    with owner_of(
        place, "hold", stand_in.bootimage, "--hardware", "secure-boot", "--memory-mib", "512"
    ) as started:
        console = wait_for_words(started.console, "No bootable option or device was found")

    assert console.count("Access Denied") + console.count("Security Violation") >= 1
    assert "Linux version" not in console
