"""The key of a checkpoint: everything that decides what is in it, as one digest.

A fork is a machine of the same key. Whatever changes the key makes another machine, and a
checkpoint of another key is never used.
"""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from harness import process
from harness.machine.domain.domain import Domain
from harness.machine.domain.segment import Segment
from harness.machine.domain.storage import Disk, Paths
from harness.model.clock import Deadline

FORMAT = 3
"""Of the files of a checkpoint, and of how a fork starts from them."""
_CPUINFO = Path("/proc/cpuinfo")
_ANY = "00000000-0000-0000-0000-000000000000"


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """What a checkpoint was made of.

    `domain` is canonical. `emulator` is QEMU with its version, `processor` the host's. `ignition`
    has a digest of each config that the guest gets, which includes everything that the harness adds
    to it. `images` has the digests of the images under test. `code` is a digest of what brings the
    machine to `step`, where it stopped.
    """

    domain: str
    emulator: str
    processor: str
    ignition: Mapping[str, str]
    images: Mapping[str, str]
    step: str
    code: str = ""
    format: int = FORMAT

    @property
    def key(self) -> str:
        """The digest of all of it."""
        text = json.dumps(asdict(self), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()


def origin_of(
    domain: Domain,
    *,
    ignition: Mapping[str, str],
    images: Mapping[str, str],
    step: str,
    code: str,
    deadline: Deadline,
) -> Origin:
    """Return the origin of a machine with the texts of its configs, at a step.

    Raises:
        CommandError: QEMU does not run.
    """
    program = domain.emulator.path
    version = process.run((program, "--version"), deadline).stdout.partition("\n")[0]
    return Origin(
        domain=canonical(domain),
        emulator=f"{program} {version}",
        processor=processor(_CPUINFO.read_text(errors="replace")),
        ignition={name: _sha256(text) for name, text in ignition.items()},
        images=images,
        step=step,
        code=code,
    )


def canonical(domain: Domain) -> str:
    """Return the XML of a domain without what differs from run to run and from fork to fork."""
    return replace(
        domain,
        name="",
        uuid=_ANY,
        disks=tuple(_anywhere(disk, number) for number, disk in enumerate(domain.disks)),
        console=Path("console"),
        ignition=domain.ignition and Path("ignition"),
        ports=tuple(replace(port, path=Path(port.name)) for port in domain.ports),
        forwards=tuple(replace(forward, host_port=0) for forward in domain.forwards),
        segment=domain.segment and _linked(domain.segment),
        cdrom=domain.cdrom and Path("cdrom"),
        netboot=domain.netboot and "netboot",
        security=(),
        ram=domain.ram and replace(domain.ram, path=Path("ram"), is_shared=False),
        generation=domain.generation and _ANY,
        is_incoming=False,
    ).to_xml()


def processor(cpuinfo: str) -> str:
    """Return what /proc/cpuinfo says of the model and the features of the first processor."""
    first = cpuinfo.partition("\n\n")[0]
    fields = dict(line.split(":", 1) for line in first.splitlines() if ":" in line)
    known = {name.strip(): value.strip() for name, value in fields.items()}
    wanted = ("vendor_id", "model name", "microcode", "flags", "Features", "CPU part")
    return json.dumps([platform.machine(), *(known.get(name, "") for name in wanted)])


def _anywhere(disk: Disk | Paths, number: int) -> Disk | Paths:
    place = Path(f"disk{number}")
    return replace(disk, path=place) if isinstance(disk, Disk) else replace(disk, nbd=place)


def _linked(segment: Segment) -> Segment:
    # The address of the card is made anew for each link; its end is what matters.
    return replace(segment, local=Path("local"), remote=Path("remote"), mac=segment.mac[-2:])


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
