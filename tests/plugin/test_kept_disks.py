"""Disks of kept checkpoints, by the real qemu-img: what they have, wherever their base is now."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from harness.machine.disk import create_blank, create_overlay
from harness.machine.domain.architecture import Accelerator, architecture
from harness.machine.domain.domain import Domain
from harness.machine.domain.emulator import Emulator
from harness.machine.domain.storage import Disk
from harness.machine.forking.kept_files import Part, opened
from harness.machine.forking.key import Origin
from harness.machine.forking.saved import SavedMachine
from harness.machine.forking.store import Store
from harness.model.clock import Deadline

MIB = 1 << 20
ORIGIN = Origin(domain="", emulator="", processor="", ignition={}, images={}, step="s")


def soon() -> Deadline:
    return Deadline.after(60)


def domain_with(disk: Path) -> Domain:
    return Domain(
        name="one", uuid="1", emulator=Emulator(path=Path("/qemu"), arch=architecture("x86_64")),
        kind=Accelerator.TCG, cpu="Nehalem", memory_mib=1, vcpus=1,
        disks=(Disk(path=disk, serial="root"),), console=disk,
    )  # fmt: skip


def write(disk: Path, at_mib: int, text: str) -> None:
    """Write into a disk as a guest would, at so many MiB."""
    subprocess.run(
        ("qemu-io", "-f", "qcow2", "-c", f"write -P {ord(text)} {at_mib}M 64k", disk),
        check=True, capture_output=True,
    )  # fmt: skip


def content(disk: Path, folder: Path) -> list[str]:
    raw = folder / "content.raw"
    subprocess.run(("qemu-img", "convert", "-O", "raw", disk, raw), check=True)
    data = raw.read_bytes()
    return [chr(data[at * MIB]) for at in range(3)]


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    folder = tmp_path / "scratch/node"
    folder.mkdir(parents=True)
    return folder


def kept_disk(tmp_path: Path, disk: Path, base: Path | None) -> Path:
    """Keep a disk, remove all of its run, and return the disk of a fork in a later run."""
    saved = SavedMachine(
        folder=tmp_path / "saved", domain=domain_with(disk), disk=Disk(path=disk, serial="root")
    )
    saved.folder.mkdir()
    for path in (saved.ram, saved.state):
        path.write_bytes(b"any")
    with Store(tmp_path / "checkpoints") as store:
        parts = {"node": Part(saved=saved, origin=ORIGIN)}
        kept = store.keep("scenario", "step", parts, (), soon())
        shutil.rmtree(tmp_path / "scratch")
        shutil.rmtree(saved.folder)
        moved = base and base.rename(tmp_path / "base-of-a-later-run")
        assert store.take(kept)
        again = opened(
            kept, "node", domain=domain_with(disk), base=moved, folder=tmp_path / "later/node",
            deadline=soon(),
        )  # fmt: skip
        fork = tmp_path / "fork"
        fork.mkdir()
        return create_overlay(again.disk.path, "qcow2", fork, deadline=soon(), min_free_bytes=0)


@pytest.mark.parametrize("base_format", ["raw", "qcow2"])
def test_each_layer_of_a_disk_over_a_bootimage_is_kept(
    tmp_path: Path, scratch: Path, base_format: str
) -> None:
    base = tmp_path / "base"
    subprocess.run(("qemu-img", "create", "-q", "-f", base_format, base, "4M"), check=True)
    command = f"write -P {ord('a')} 0 64k"
    subprocess.run(
        ("qemu-io", "-f", base_format, "-c", command, base), check=True, capture_output=True
    )
    first = create_overlay(base, base_format, scratch, deadline=soon(), min_free_bytes=0)
    write(first, 1, "b")
    second = create_overlay(
        first, "qcow2", scratch.parent, deadline=soon(), min_free_bytes=0
    ).rename(scratch / "overlay-1.qcow2")
    write(second, 2, "c")

    fork = kept_disk(tmp_path, second, base)

    assert content(fork, tmp_path) == ["a", "b", "c"]


def test_a_disk_that_was_blank_is_kept_without_a_base(tmp_path: Path, scratch: Path) -> None:
    disk = create_blank(scratch, 4 * MIB, soon(), min_free_bytes=0)
    for at, text in enumerate("xyz"):
        write(disk, at, text)

    fork = kept_disk(tmp_path, disk, None)

    assert content(fork, tmp_path) == ["x", "y", "z"]


def test_a_fork_does_not_change_the_kept_disk(tmp_path: Path, scratch: Path) -> None:
    disk = create_blank(scratch, 4 * MIB, soon(), min_free_bytes=0)
    write(disk, 0, "x")
    fork = kept_disk(tmp_path, disk, None)
    (stored,) = (tmp_path / "checkpoints").glob("*/node.disk0")
    before = stored.read_bytes()

    write(fork, 0, "!")

    assert content(fork, tmp_path)[0] == "!"
    assert stored.read_bytes() == before
