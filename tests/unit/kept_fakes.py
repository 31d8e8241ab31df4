"""Checkpoints to keep, made of small files, and a qemu-img that knows their disks."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from machine_fakes import soon
from test_machine_key import DOMAIN

from harness.machine.domain.storage import Disk
from harness.machine.forking.kept import Kept
from harness.machine.forking.kept_files import Part
from harness.machine.forking.key import Origin, canonical
from harness.machine.forking.saved import SavedMachine
from harness.machine.forking.store import Store
from harness.model.secret import Secret

DRAWN = (("key", Secret("-----BEGIN KEY-----")), ("token", Secret("1234")))


def qemu_img(folder: Path) -> None:
    """Make a qemu-img: a disk has a line with its base; an image in another folder has none."""
    program = folder / "qemu-img"
    program.write_text(
        "#!/bin/sh\n"
        'for last in "$@"; do :; done\n'
        'case "$1" in\n'
        "  rebase) exit 0;;\n"
        '  info) echo "[{\\"filename\\": \\"$last\\", \\"format\\": \\"qcow2\\"},'
        ' {\\"filename\\": \\"/images/base\\", \\"format\\": \\"raw\\"}]";;\n'
        "esac\n"
    )
    program.chmod(0o755)


def origin(step: str = "applied", **images: str) -> Origin:
    return Origin(
        domain=canonical(DOMAIN), emulator="QEMU", processor="any", ignition={"node": "a"},
        images=images, step=f"ipi_bootstrap {step}",
    )  # fmt: skip


def part(folder: Path, made_of: Origin, memory: bytes = b"memory") -> Part:
    """Return a machine as a run has saved it."""
    folder.mkdir(parents=True, exist_ok=True)
    disk = folder / "overlay.qcow2"
    for path, content in ((folder / "ram", memory), (folder / "state", b"state"), (disk, b"disk")):
        path.write_bytes(content)
        path.chmod(0o600)
    saved = SavedMachine(folder=folder, domain=DOMAIN, disk=Disk(path=disk, serial="root"))
    return Part(saved=saved, origin=made_of, notes={"boots": 1})


def keep(store: Store, run: Path, made_of: Origin | None = None, memory: bytes = b"memory") -> Kept:
    """Keep a checkpoint of one machine, `node`, which the run in `run` has saved."""
    found: Mapping[str, Part] = {"node": part(run, made_of or origin(), memory)}
    return store.keep("ipi_bootstrap", "applied", found, DRAWN, soon())
