"""What to boot, and the domain that is made of it."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from pathlib import Path

from harness.machine.acceleration import Acceleration
from harness.machine.domain.architecture import CpuLevel, cpu_model
from harness.machine.domain.domain import Domain, Port
from harness.machine.domain.emulator import Emulator
from harness.machine.domain.hardware import PLAIN, Hardware
from harness.machine.domain.network import Forward
from harness.machine.domain.segment import Segment
from harness.machine.domain.storage import Disk, Paths
from harness.machine.driver import Connection
from harness.machine.ownership.run import Run

IGNITION_PORT = "com.coreos.ignition.journal"
JOURNAL_PORT = "org.node_image.journal"
EVENTS_PORT = "org.node_image.events"
PORTS = (IGNITION_PORT, JOURNAL_PORT, EVENTS_PORT)
# QEMU's own memory beside the guest's, translated code included.
EMULATOR_MIB = 256
_SSH = 22
_SERIAL = "root"


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineSpec:
    """What to boot; a second machine of one `name` in a run is called `name-2`.

    `ignition` is the config's text, which may have secrets. `disk_bytes` is the size of the disk,
    by default the image's; without a `base` the disk is blank. While the disk does not boot, the
    ISO `cdrom` does, or the iPXE script at the URL `netboot` (for the guest, the host is 10.0.2.2).
    Thus a machine boots a medium, and its disk after an installation and a reboot. `segment` is its
    side of a link to another machine. Checkpoints can be made of a machine that `is_template`.
    """

    name: str
    emulator: Emulator
    acceleration: Acceleration
    base: Path | None
    base_format: str = "qcow2"
    disk_bytes: int | None = None
    ignition: str | None = field(default=None, repr=False)
    memory_mib: int = 2048
    vcpus: int = 2
    cpu_level: CpuLevel = CpuLevel.V2
    hardware: Hardware = PLAIN
    cdrom: Path | None = None
    netboot: str | None = None
    segment: Segment | None = None
    is_template: bool = False


def domain_of(
    connection: Connection, run: Run, spec: MachineSpec, disk: Disk | Paths, port: int
) -> Domain:
    """Return the domain of a machine whose folder is claimed; its config is written there."""
    folder = run.folder / spec.name
    kind = spec.acceleration.kind
    return Domain(
        name=f"node-image-{run.id}-{spec.name}",
        uuid=str(uuid.uuid4()),
        emulator=spec.emulator,
        kind=kind,
        cpu=cpu_model(spec.emulator.arch, kind, spec.cpu_level),
        memory_mib=spec.memory_mib,
        vcpus=spec.vcpus,
        disks=(disk,),
        console=folder / "console.log",
        ignition=_write_ignition(folder, spec.ignition),
        ports=tuple(Port(name=name, path=folder / f"{name}.log") for name in PORTS),
        forwards=(Forward(host_port=port, guest_port=_SSH),),
        hardware=spec.hardware,
        segment=spec.segment,
        cdrom=spec.cdrom,
        netboot=spec.netboot,
        security=connection.security_labels(),
    )


def disk_at(path: Path, spec: MachineSpec) -> Disk | Paths:
    """Return the root disk at `path`, the socket of its server if it has several paths."""
    sector_bytes = spec.hardware.sector_bytes
    if spec.hardware.is_multipath:
        return Paths(nbd=path, serial=_SERIAL, sector_bytes=sector_bytes)
    return Disk(path=path, serial=_SERIAL, sector_bytes=sector_bytes)


def _write_ignition(folder: Path, text: str | None) -> Path | None:
    if text is None:
        return None
    path = folder / "config.ign"
    path.touch(mode=0o600)
    path.write_text(text)
    return path
