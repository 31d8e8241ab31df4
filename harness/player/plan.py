"""What a scenario plans: its machines, what they boot, how their config reaches them, its services.

Data only. `machines` makes a running machine of a plan.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING

# For types only: reading a plan must not load SSH and libvirt.
if TYPE_CHECKING:
    from harness.model.ignition import Document
    from harness.player.site import Site

BOOTIMAGE = "bootimage"
FAT = "fat"
LIVE_ISO = "live-iso"
"""Keys of images that have their own options; `--image KEY=PATH` gives any other."""

MIN_MEMORY_MIB = 256
"""The least memory of a machine: less boots no system of interest."""
INSTALL_BYTES = 10 << 30
"""The size of a disk to install on. The file is sparse."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FromDisk:
    """The machine boots a disk with the disk image `image`, grown to `size_bytes`."""

    image: str = BOOTIMAGE
    size_bytes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FromIso:
    """The machine boots a copy of the live ISO `image`, with its config inside; its disk is blank.

    As soon as the disk is bootable, the machine boots it instead of the medium.
    """

    image: str = LIVE_ISO
    disk_bytes: int = INSTALL_BYTES


@dataclass(frozen=True, slots=True, kw_only=True)
class FromNetwork:
    """The machine boots the live system of `image` by iPXE, its config in a second initramfs."""

    image: str = LIVE_ISO
    disk_bytes: int = INSTALL_BYTES


Medium = FromDisk | FromIso | FromNetwork


@dataclass(frozen=True, slots=True, kw_only=True)
class ByFirmware:
    """The machine gets its whole config by fw_cfg, or by its architecture's equivalent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ByPointer:
    """The machine starts with a pointer config, and fetches the whole one over the network.

    `service` yields the pointer, and serves `site.config_of(machine)`.
    """

    service: str


@dataclass(frozen=True, slots=True, kw_only=True)
class InMedium:
    """The config is in the live medium that the machine boots."""


Delivery = ByFirmware | ByPointer | InMedium
BY_FIRMWARE = ByFirmware()


@dataclass(frozen=True, slots=True, kw_only=True)
class PrivateLink:
    """A private network segment between two machines.

    With `is_only_way` the machine reaches the host and the internet over the segment only.
    """

    name: str
    is_only_way: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class MachinePlan:
    """One machine of a scenario.

    `config` returns its whole Ignition config. `requires` are words of `--hardware`. The tests run
    against each machine that `is_judged`.
    """

    name: str
    memory_mib: int
    config: Callable[[Site], Document]
    medium: Medium = FromDisk()
    delivery: Delivery = BY_FIRMWARE
    link: PrivateLink | None = None
    requires: str = ""
    is_judged: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """What runs beside the machines: a server, a control plane, or data that they share.

    `run` is entered before the first machine is switched on, after the services listed before it,
    and left when all machines are gone. `site.service(name, type)` returns what it yields.
    If that has `check_alive`, every wait for a machine calls it. Files in its `logs` are kept as
    evidence. With `has_state`, guests depend on what it has learnt in the run: their checkpoints
    are kept for later runs only if it yields None, or something with `save(path)`. This writes what
    it has learnt to a new file while all machines stand still, which is `site.saved[name]` in the
    `run` of a later run. `memory_mib` is what it takes of the host.
    """

    name: str
    run: Callable[[Site], AbstractContextManager[object]]
    has_state: bool = False
    memory_mib: int = 0


def live_machine(name: str, memory_mib: int, config: Callable[[Site], Document]) -> MachinePlan:
    """Return the plan of a machine that boots the live ISO with its config inside."""
    return MachinePlan(
        name=name, memory_mib=memory_mib, config=config, medium=FromIso(), delivery=InMedium()
    )
