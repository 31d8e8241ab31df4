"""Ask a bootimage what it has, and print it as JSON.

`programs_owner.py BOOTIMAGE EVIDENCE`, where the evidence of the boot goes to a folder.
libvirt's embedded driver allows one run per process, hence a program.
"""

from __future__ import annotations

import json
import logging
import sys
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from harness.diagnosis.allow import AllowList
from harness.images.acquire.digest import sha256_of
from harness.images.acquire.disk_format import inspect_disk_image
from harness.images.bootimage import BootImage
from harness.lint import inventory
from harness.machine.acceleration import probe
from harness.machine.connection import open_connection
from harness.machine.domain.emulator import find_emulator
from harness.machine.ownership.run import begin_run
from harness.model.clock import Deadline
from harness.model.secrets.redaction import Redactor
from harness.player.inputs import Rig


def main(disk: Path, evidence: Path) -> None:
    deadline = Deadline.after(120.0)
    found = inspect_disk_image(disk, str(disk), deadline)
    bootimage = BootImage(
        path=disk, format=found.format, virtual_size_bytes=found.virtual_size_bytes,
        sha256=sha256_of(disk, deadline), origin=str(disk),
    )  # fmt: skip
    emulator = find_emulator()
    acceleration = probe(emulator, deadline)
    with begin_run() as run, open_connection("qemu:///embed", run.folder) as connection:
        rig = Rig(
            connection=connection, run=run, emulator=emulator, acceleration=acceleration,
            timeout_factor=acceleration.timeout_factor, evidence=evidence, report=logging.info,
            redactor=Redactor(), allow=AllowList(), today=datetime.now(UTC).date(),
        )  # fmt: skip
        programs = inventory.take(bootimage, rig)
    sys.stdout.write(json.dumps(asdict(programs), default=sorted))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
