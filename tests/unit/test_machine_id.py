"""A new machine-id for a fork: the files of a system below a folder, changed by the command."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import cast

import pytest
from machine_fakes import soon

from harness.model.clock import Deadline
from harness.node.machine_id import renew, renewal
from harness.node.ssh import Shell

OLD, NEW = "0" * 32, "1" * 32
BUS = "var/lib/dbus/machine-id"


class System:
    """A system whose programs see `mountpoint` as a test wants it."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "root"
        self.programs = folder / "programs"
        self.write("etc/machine-id", f"{OLD}\n")
        self.mount("false")

    def write(self, path: str, text: str) -> None:
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_text(text)

    def read(self, path: str) -> str:
        return (self.root / path).read_text()

    def mount(self, answer: str) -> None:
        self.programs.mkdir(exist_ok=True)
        program = self.programs / "mountpoint"
        program.write_text(f"#!/bin/sh\n{answer}\n")
        program.chmod(0o755)

    def renew(self) -> int:
        environment = {"PATH": f"{self.programs}:/bin:/usr/bin"}
        command = ("sh", "-c", renewal(NEW, str(self.root)))
        return subprocess.run(command, env=environment, check=False).returncode


@pytest.fixture
def system(tmp_path: Path) -> System:
    return System(tmp_path)


def test_the_file_is_written_in_place(system: System) -> None:
    inode = (system.root / "etc/machine-id").stat().st_ino

    assert system.renew() == 0
    assert system.read("etc/machine-id") == f"{NEW}\n"
    assert (system.root / "etc/machine-id").stat().st_ino == inode


def test_before_the_first_boot_is_complete_the_file_in_memory_is_written(system: System) -> None:
    system.write("run/machine-id", f"{OLD}\n")
    system.mount('[ "$2" = "${2%/etc/machine-id}/etc/machine-id" ]')

    assert system.renew() == 0
    assert system.read("run/machine-id") == f"{NEW}\n"
    assert system.read("etc/machine-id") == f"{OLD}\n"  # the mount hides it


@pytest.mark.parametrize("place", ["run/log/journal", "var/log/journal"])
def test_the_journal_is_found_by_its_new_name_and_goes_on_in_its_folder(
    system: System, place: str
) -> None:
    system.write(f"{place}/{OLD}/system.journal", "before")

    assert system.renew() == 0
    with (system.root / place / OLD / "system.journal").open("a") as journald:
        journald.write(" and after")
    assert system.read(f"{place}/{NEW}/system.journal") == "before and after"


def test_d_bus_gets_it_if_its_file_is_its_own(system: System) -> None:
    system.write(BUS, f"{OLD}\n")

    assert system.renew() == 0
    assert system.read(BUS) == f"{NEW}\n"


def test_a_link_of_d_bus_stays_one(system: System) -> None:
    (system.root / BUS).parent.mkdir(parents=True)
    (system.root / BUS).symlink_to("../../../etc/machine-id")

    assert system.renew() == 0
    assert (system.root / BUS).is_symlink()
    assert system.read(BUS) == f"{NEW}\n"


def test_what_cannot_be_written_is_a_failure(system: System) -> None:
    (system.root / "etc/machine-id").unlink()

    assert system.renew() != 0


def test_each_id_is_new_and_of_version_4() -> None:
    commands: list[str] = []

    class Node:
        def run(self, command: str, _: Deadline, *, check: bool) -> None:
            assert check
            commands.append(command)

    found = {renew(cast("Shell", Node()), soon()) for _ in range(2)}

    assert len(found) == 2
    for new, command in zip(sorted(found), sorted(commands), strict=True):
        assert re.fullmatch(r"[0-9a-f]{12}4[0-9a-f]{3}[89ab][0-9a-f]{15}", new)
        assert f"new={new} root=\n" in command
