"""The disk of a machine that goes on after a checkpoint: a new overlay takes what it writes.

QEMU makes the overlay. libvirt's own snapshots need its storage driver, which many hosts lack.
Source: QEMU's qapi/block-core.json, blockdev-snapshot-sync.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from harness.machine.domain.storage import Disk
from harness.machine.machine import Machine
from harness.model.errors import InputError, RigError


def divert(machine: Machine) -> Disk:
    """Make a machine write to a new overlay; return its disk, which stays as it is now.

    Raises:
        InputError: it has several paths to its disk.
        RigError: QEMU refuses.
    """
    disk, *others = machine.domain.disks
    if not isinstance(disk, Disk):
        raise InputError(
            f"checkpoint of {machine.name}", "its disk has several paths",
            "Remove multipath from --hardware.",
        )  # fmt: skip
    name = f"overlay-{secrets.token_hex(3)}"
    overlay = disk.path.with_name(f"{name}.qcow2")
    asked = {
        "node-name": _node_of(machine, disk.path),
        "snapshot-file": str(overlay),
        "snapshot-node-name": name,
        "format": disk.image_format,
        "mode": "absolute-paths",
    }
    machine.running.ask_qemu("blockdev-snapshot-sync", asked)
    machine.domain = replace(machine.domain, disks=(replace(disk, path=overlay), *others))
    return disk


def _node_of(machine: Machine, file: Path) -> str:
    for inserted in _inserted(machine.running.ask_qemu("query-block", {})):
        if inserted.get("file") == str(file):
            return str(inserted.get("node-name"))
    remedy = "Look at QEMU's messages in the run's artifacts."
    raise RigError("QEMU", f"has no disk with the file {file}", remedy)


def _inserted(answer: object) -> Iterator[dict[str, object]]:
    for drive in answer if isinstance(answer, list) else ():
        inserted = drive.get("inserted") if isinstance(drive, dict) else None
        if isinstance(inserted, dict):
            yield inserted
