"""What a scenario plans: its machines, what they boot and how their config reaches them, services.

Data alone. `site` gives configs and services what they have to know of each other, and `machines`
makes a plan into a machine that runs.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING

# For types alone: to read a plan must not load SSH and libvirt.
if TYPE_CHECKING:
    from harness.model.ignition import Document
    from harness.player.site import Site

BOOTIMAGE = "bootimage"
FAT = "fat"
LIVE_ISO = "live-iso"
"""Keys of images that have options of their own; `--image KEY=PATH` gives any other."""

INSTALL_BYTES = 10 << 30
"""A disk that an install fits on; it takes no room before something is written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FromDisk:
    """The machine boots a disk with the disk image `image`, grown to `size_bytes`."""

    image: str = BOOTIMAGE
    size_bytes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FromIso:
    """The machine boots a copy of the live ISO `image`, with its config inside; its disk is blank.

    A blank disk that becomes bootable is booted before the medium.
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
    """The machine finds its whole config by fw_cfg, or where its architecture has no such thing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ByPointer:
    """The machine starts with a pointer config, and fetches the whole one over the network.

    `service` yields the pointer; `site.config_of(machine)` is what has to be served there.
    """

    service: str


@dataclass(frozen=True, slots=True, kw_only=True)
class InMedium:
    """The config is in the medium that the machine boots, which has to be a live one."""


Delivery = ByFirmware | ByPointer | InMedium
BY_FIRMWARE = ByFirmware()


@dataclass(frozen=True, slots=True, kw_only=True)
class PrivateLink:
    """A private network segment that two machines name; `is_only_way` leaves one no other way out.

    A machine of that kind can reach neither the host nor the internet but over the segment.
    """

    name: str
    is_only_way: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class MachinePlan:
    """One machine of a scenario.

    `config` gives its whole Ignition config. `requires` are words of `--hardware` that it cannot do
    without. A machine that `is_judged` is logged in to, and the tests run against it.
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
    """What is there beside the machines: a server, a control plane, or what they all have to know.

    `run` is entered before the first machine is switched on, after the services named before, and
    left when all machines are gone. Others find what it yields by `site.service(name)`. If that
    has `check_alive`, every wait for a machine asks it; files in `logs` are kept as evidence.
    """

    name: str
    run: Callable[[Site], AbstractContextManager[object]]


def live_machine(name: str, memory_mib: int, config: Callable[[Site], Document]) -> MachinePlan:
    """Return the plan of a machine that boots the live ISO with its config inside."""
    return MachinePlan(
        name=name, memory_mib=memory_mib, config=config, medium=FromIso(), delivery=InMedium()
    )
