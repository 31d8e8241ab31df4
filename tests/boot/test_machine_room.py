"""Machines on real QEMU: they run, and nothing of them outlives their owner.

The guests are boot sectors, so that each test takes about two seconds without KVM.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from owned import (
    OWNER,
    START_S,
    URI,
    Owner,
    Place,
    owner_of,
    private_place,
    read_facts,
    serving,
)

from harness import process
from harness.machine.acceleration import probe_command
from harness.machine.domain.architecture import Accelerator
from harness.machine.domain.emulator import find_emulator
from harness.machine.ownership.processes import PROC, processes_naming
from harness.machine.ownership.sweep import live_runs, sweep
from harness.model.clock import Deadline, NotYet

# 16-bit code: write "U" to the first serial port, then halt for ever.
SAY_U = bytes.fromhex("baf803 b055 ee")
HALT = bytes.fromhex("f4 ebfd")
# Write 0x2000 (sleep now, state S5) to the q35's PM1a control port 0x604.
POWER_OFF = bytes.fromhex("ba0406 b80020 ef")


def boot_sector(code: bytes) -> bytes:
    return code.ljust(510, b"\0") + b"\x55\xaa" + bytes(1024 * 1024 - 512)


# Write the 512 bytes behind this code's own to the first sector of the first disk (BIOS call 13h,
# function 3), then reset the machine (6 to port 0xcf9 of the q35).
INSTALL = bytes.fromhex("31c0 8ec0 bb007e b80103 b90100 ba8000 cd13 baf90c b006 ee")


def installer() -> bytes:
    """Return a boot sector (loaded at 0x7c00) that writes a loader to the disk."""
    return (say("from medium\n") + INSTALL + HALT).ljust(512, b"\0") + boot_sector(
        say("from disk\n") + POWER_OFF + HALT
    )[:512]


def say(text: str) -> bytes:
    return b"".join(SAY_U.replace(b"U", letter.encode()) for letter in text)


def reaper_of(folder: Path) -> int:
    """Find the reaper by its command line: it names the folder itself, not a path inside."""
    for entry in PROC.iterdir():
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if os.fsencode(folder) in words and b"harness.machine.ownership.reaper" in words:
            return int(entry.name)
    raise NotYet("no reaper runs")


@pytest.fixture
def place() -> Iterator[Place]:
    with private_place() as made:
        yield made


@contextmanager
def owner(place: Place, mode: str, code: bytes) -> Iterator[Owner]:
    base = place.folder / f"{mode}.raw"
    base.write_bytes(boot_sector(code))
    with owner_of(place, mode, base) as started:
        yield started


def test_probe_guest_runs_in_emulation() -> None:
    command = probe_command(find_emulator(), Accelerator.TCG)

    assert process.run(command, Deadline.after(START_S), check=False).status == 33


def test_guest_boots_from_the_overlay_and_its_console_is_kept(place: Place) -> None:
    with owner(place, "watch", SAY_U + POWER_OFF + HALT) as watched:
        end = read_facts(watched.child)

        assert end["reason"] == "the guest powered off"
        assert end["console"] == "U"


def test_blank_disk_lets_the_cdrom_boot_until_it_is_installed(place: Place) -> None:
    tree = place.folder / "iso"
    tree.mkdir()
    (tree / "boot.bin").write_bytes(installer().ljust(2048, b"\0"))
    iso = place.folder / "medium.iso"
    make_iso = ("xorriso", "-as", "mkisofs", "-quiet", "-o", iso, "-b", "boot.bin")
    process.run((*make_iso, "-no-emul-boot", "-boot-load-size", "4", tree), Deadline.after(START_S))

    with owner_of(place, "watch", "blank", "--cdrom", iso) as watched:
        end = read_facts(watched.child)

    assert_installed_from_medium(end, "Booting from DVD/CD")


def test_blank_disk_lets_the_network_boot_until_it_is_installed(place: Place) -> None:
    (place.folder / "boot.ipxe").write_text("#!ipxe\nchain install.0\n")
    (place.folder / "install.0").write_bytes(installer())

    with (
        serving(place.folder) as address,
        owner_of(place, "watch", "blank", "--netboot", f"{address}/boot.ipxe") as watched,
    ):
        end = read_facts(watched.child)

    assert_installed_from_medium(end, "boot.ipxe... ok")


def assert_installed_from_medium(end: dict[str, object], witness: str) -> None:
    console = str(end["console"])
    assert end["reason"] == "the guest powered off", console
    assert witness in console
    assert console.index("from medium\n") < console.index("from disk\n")
    assert console.count("from medium\n") == 1


def test_peak_memory_is_that_of_qemu(place: Place) -> None:
    with owner(place, "hold", HALT) as held:
        peak = held.facts["peak"]

        assert isinstance(peak, int)
        assert peak > 16 * 1024**2


def test_port_files_lie_in_the_run_folder(place: Place) -> None:
    with owner(place, "hold", HALT) as held:
        ports = held.facts["ports"]

        assert isinstance(ports, dict)
        assert all(Path(path).is_relative_to(held.folder) for path in ports.values())
        assert all(Path(path).is_file() for path in ports.values())


def test_missing_driver_is_one_error_with_the_way_out(place: Place) -> None:
    env = {**place.env, "LIBVIRT_DRIVER_DIR": "/nonexistent"}
    command = (sys.executable, OWNER, "hold", URI, place.folder)

    ended = process.run(command, Deadline.after(START_S), check=False, env=env)

    assert "InputError" in ended.stderr
    assert "Install libvirt's QEMU driver" in ended.stderr


def test_machine_ends_with_a_clean_owner(place: Place) -> None:
    with owner(place, "hold", HALT) as held:
        assert processes_naming(held.folder)
        held.child.communicate(timeout=START_S)

        assert held.child.returncode == 0
        held.is_gone()


def test_machine_ends_with_a_failing_owner(place: Place) -> None:
    with owner(place, "fail", HALT) as failing:
        failing.child.communicate(timeout=START_S)

        assert failing.child.returncode != 0
        failing.is_gone()


def test_machine_ends_with_an_interrupted_owner(place: Place) -> None:
    with owner(place, "hold", HALT) as held:
        held.child.send_signal(signal.SIGINT)
        held.child.wait(timeout=START_S)

        held.is_gone()


def test_reaper_ends_the_machine_of_a_killed_owner(place: Place) -> None:
    with owner(place, "hold", HALT) as held:
        held.child.kill()
        held.child.wait(timeout=START_S)

        held.wait_until_gone()


def test_reaper_ends_the_machine_of_a_terminated_owner(place: Place) -> None:
    with owner(place, "hold", HALT) as held:
        held.child.terminate()
        held.child.wait(timeout=START_S)

        held.wait_until_gone()


def test_sweep_ends_what_owner_and_reaper_left(place: Place) -> None:
    with owner(place, "hold", HALT) as held:
        os.kill(reaper_of(held.folder), signal.SIGKILL)
        held.child.kill()
        held.child.wait(timeout=START_S)
        assert processes_naming(held.folder)

        swept = sweep(place.runs)

        assert [line.partition(" ")[0] for line in swept] == [str(held.folder)]
        held.is_gone()


def test_sweep_leaves_a_live_run_alone(place: Place) -> None:
    with owner(place, "hold", HALT) as held:
        before = processes_naming(held.folder)

        assert sweep(place.runs) == ()

        assert processes_naming(held.folder) == before
        assert live_runs(place.runs) == (held.folder,)
