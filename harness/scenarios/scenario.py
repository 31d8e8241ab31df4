"""What a scenario is: its data, and how it brings a node up. One file of this room per scenario.

A scenario module has one public value, `SCENARIO`, by which `named` and `names` find it. The plugin
knows no scenario by name.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from harness.machine.hardware import PLAIN, Hardware
from harness.scenarios.needs import Need

# For types alone: asking for the names of scenarios must not load SSH and libvirt.
if TYPE_CHECKING:
    from harness.cluster.payload import Payload
    from harness.cluster.release_payload import ReleasePayload
    from harness.diagnosis.allow import AllowList
    from harness.images.bootimage import BootImage
    from harness.images.live_media import LiveMedia
    from harness.images.node_image import NodeImage
    from harness.images.registry import Registry
    from harness.machine.acceleration import Acceleration
    from harness.machine.driver import Connection
    from harness.machine.emulator import Emulator
    from harness.machine.machine import Machine
    from harness.machine.ownership import Run
    from harness.model.ignition import Document
    from harness.model.node_state import NodeState
    from harness.model.redaction import Redactor
    from harness.model.secret import Secret
    from harness.node.ssh import Session

_DEFINES = re.compile(r"^SCENARIO\b", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """What is under test, the same for every scenario of a run.

    `fat_bootimage` gives the control's bootimage, `live_iso` the bootimage's live ISO and `live`
    all its live media, some of them in the folder that it is given; all raise `InputError` where
    there are none. `payload` has the parts of a control plane on this host, `release` gives them
    as a release that guests reach; both are None with images that are no stand-ins.
    `pull_spec` and `pause_image` are names by digest as the guest reaches them, without transport.
    `bootstrap_ignition` is the installer's own config, to be booted as it is.
    `package_of` names the node layer's package that brings a command, None when none does; it may
    have to fetch the image for that, `known_package_of` does not and is None then, too.
    """

    bootimage: BootImage
    fat_bootimage: Callable[[], BootImage]
    live_iso: Callable[[], Path]
    live: Callable[[Path], LiveMedia]
    payload: Payload | None = None
    release: Callable[[], ReleasePayload | None] = lambda: None
    node_image: NodeImage
    pull_spec: str
    pause_image: str
    registry: Registry
    authfile: Secret | None
    extra_ignition: tuple[Document, ...]
    bootstrap_ignition: Document | None = None
    paths_to_observe: tuple[str, ...]
    package_of: Callable[[str], str | None] = lambda _: None
    known_package_of: Callable[[str], str | None] = lambda _: None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rig:
    """What the host offers: where machines run, how fast, and where evidence and progress go.

    `timeout_factor` already holds the accelerator's and the user's. `evidence` outlives the run,
    and `redactor` keeps secrets out of it. `allow` holds the trouble that somebody signed for, as
    of `today`. `hardware` is what each machine is made of. `memory_mib` is the user's wish for each
    machine; None leaves it to the scenario.
    """

    connection: Connection
    run: Run
    emulator: Emulator
    acceleration: Acceleration
    timeout_factor: float
    evidence: Path
    tell: Callable[[str], None]
    redactor: Redactor
    allow: AllowList
    today: date
    hardware: Hardware = PLAIN
    memory_mib: int | None = None


class Watching(Protocol):
    """What looks after a machine from outside: a `watch.Watch`, or nobody."""

    @property
    def boots(self) -> int:
        """How many kernels the machine has started so far."""

    def insist_alive(self) -> None:
        """Return while nothing fatal was seen; else raise what the diagnosis says."""

    def phase(self, name: str, title: str) -> AbstractContextManager[None]:
        """Note the block as a phase of the machine's."""


class Unwatched:
    """Looks after nothing, for nodes that are no machine of the harness."""

    boots = 1

    def insist_alive(self) -> None:
        """Return."""

    def phase(self, name: str, title: str) -> AbstractContextManager[None]:
        """Note nothing."""
        return nullcontext()


class Way(StrEnum):
    """How the node layer comes onto the node."""

    LIVE_APPLY = "live-apply"
    PIVOT = "pivot"
    NONE = "none"
    """It is in the bootimage already, and nothing may change."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AppliedNode:
    """A node with its node layer: still running, with its state before and after."""

    machine: Machine
    session: Session
    before: NodeState
    after: NodeState
    timings_s: tuple[tuple[str, float], ...]
    watch: Watching = field(default_factory=Unwatched)


STANDALONE_LEVELS = ("unit-active", "healthz", "cri", "static-pod")
"""Levels of readiness of a kubelet without a cluster."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One way a node comes up. `bring_up` boots, applies and yields the node, and closes it all.

    `reboots` is how often a bootimage with the node layer inside would reboot on this way: one more
    is too many. `levels` names the levels of readiness that the node has to reach at its end.
    `memory_mib` is that of all its `machines` together. `needs` is what it cannot do without.
    With `takes_installer_config` it boots the installer's own bootstrap config if one is given.

    Raises (from `bring_up`):
        ProductError: the bootimage or the node image failed.
        RigError: the host failed.
    """

    name: str
    title: str
    memory_mib: int
    bring_up: Callable[[Rig, Inputs], AbstractContextManager[AppliedNode]]
    way: Way = Way.LIVE_APPLY
    reboots: int = 0
    levels: tuple[str, ...] = STANDALONE_LEVELS
    machines: int = 1
    needs: tuple[Need, ...] = ()
    takes_installer_config: bool = False


def names() -> tuple[str, ...]:
    """Return the names of all scenarios, sorted."""
    return tuple(sorted(_modules()))


def named(name: str) -> Scenario:
    """Return the scenario `name`, one of `names()`."""
    scenario: Scenario = importlib.import_module(_modules()[name]).SCENARIO
    return scenario


@cache
def _modules() -> dict[str, str]:
    # By their text: to import them all would load SSH and libvirt.
    return {
        path.stem: f"{__package__}.{path.stem}"
        for path in Path(__file__).parent.glob("*.py")
        if _DEFINES.search(path.read_text(encoding="utf-8"))
    }
