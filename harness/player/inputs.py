"""What a scenario is played with: what is under test, and what the host offers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Protocol

from harness.cluster.payload import Payload
from harness.cluster.release_payload import ReleasePayload
from harness.diagnosis import rules
from harness.diagnosis.allow import AllowList
from harness.guest.installers.live import live_variant_of
from harness.guest.installers.variant import variant_of
from harness.images.bootimage import BootImage
from harness.images.container.node_image import NodeImage
from harness.images.container.registry import Registry
from harness.images.live_media import LiveMedia
from harness.machine.acceleration import Acceleration
from harness.machine.domain.domain import Domain
from harness.machine.domain.emulator import Emulator
from harness.machine.domain.hardware import PLAIN, Hardware
from harness.machine.domain.segment import Segment
from harness.machine.driver import Connection
from harness.machine.forking.fork import fork as fork_machine
from harness.machine.forking.saved import SavedMachine
from harness.machine.machine import Machine
from harness.machine.machine import boot as boot_machine
from harness.machine.machine import planned as planned_domain
from harness.machine.ownership.run import Run
from harness.machine.spec import MachineSpec
from harness.model.clock import SYSTEM_CLOCK, Clock, Deadline
from harness.model.errors import HarnessError
from harness.model.ignition import Document
from harness.model.secret import Secret
from harness.model.secrets.redaction import Redactor
from harness.node.dial import Endpoint, StillAlive
from harness.node.ssh import Session
from harness.player.given import Given
from harness.player.keeping import Keeping


class Images(Protocol):
    """The images under test by their keys: `bootimage`, `fat`, `live-iso`, a project's own.

    Each method raises `InputError` if no image has the key, or it cannot be used.
    """

    def disk(self, key: str) -> BootImage:
        """Return a disk image, verified, unpacked and read-only."""

    def iso(self, key: str) -> Path:
        """Return a live ISO."""

    def live_media(self, key: str, folder: Path) -> LiveMedia:
        """Return a live ISO with its parts for a network boot, unpacked to `folder` if need be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """What is under test, the same for every scenario of a run.

    `payload` has the parts of a control plane on this host, `release` returns them as a release
    that guests reach. Both are None unless the images are stand-ins.
    `pull_spec` and `pause_image` are names by digest as the guest reaches them, without transport.
    `bootstrap_ignition` is the installer's own config of a bootstrap machine, and `live_ignition`
    that of a live system; both are booted unchanged.
    `package_of` returns the node layer's package that contains a command, None if none does. It may
    fetch the image; `known_package_of` does not, and returns None then.
    """

    images: Images
    payload: Payload | None = None
    release: Callable[[], ReleasePayload | None] = lambda: None
    node_image: NodeImage
    pull_spec: str
    pause_image: str
    registry: Registry
    authfile: Secret | None
    extra_ignition: tuple[Document, ...]
    bootstrap_ignition: Document | None = None
    live_ignition: Document | None = None
    paths_to_observe: tuple[str, ...]
    package_of: Callable[[str], str | None] = lambda _: None
    known_package_of: Callable[[str], str | None] = lambda _: None

    @property
    def given(self) -> Given:
        """What the steps of scenarios may depend on.

        Raises:
            InputError: the contents of the installer's config are damaged.
        """
        return given_of(self.bootstrap_ignition, self.live_ignition, self.payload is not None)


def given_of(bootstrap: Document | None, live: Document | None, has_parts: bool) -> Given:
    """Return what steps may depend on, from the installer's own configs.

    `has_parts`: the run has the parts of a control plane.

    Raises:
        InputError: the contents of a config are damaged.
    """
    return Given(
        has_control_plane=has_parts and bootstrap is None and live is None,
        installer=None if bootstrap is None else variant_of(bootstrap),
        live=None if live is None else live_variant_of(live),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Rig:
    """What the host offers: where machines run, how fast, and where evidence and progress go.

    `timeout_factor` is the accelerator's times the user's. `evidence` outlives the run, and
    `redactor` keeps secrets out of it. `allow` lists the known problems that are allowed on
    `today`; `rules` judge the lines of a machine. `hardware` is what each machine is made of.
    `memory_mib` is the user's choice for each machine, None for the scenario's own. The play pauses
    after the step `until`. After the steps `checkpoints`, the machines are saved for forks,
    with `keeping` also for later runs.
    `usual_s` returns how long a scenario usually takes, None without a history. `awaiting` reports
    what its block waits for while nothing else is reported. `at_failure` is called when a scenario
    fails, with the addresses of its machines that run. `reserve` has memory for a scenario in
    its block, and waits until the host has it: the name, MiB that are needed, and MiB that forks
    would take. Tests replace `boot`, `plan`, `fork`, `connect` and `clock`.
    """

    connection: Connection
    run: Run
    emulator: Emulator
    acceleration: Acceleration
    timeout_factor: float
    evidence: Path
    report: Callable[[str], None]
    redactor: Redactor
    allow: AllowList
    today: date
    hardware: Hardware = PLAIN
    memory_mib: int | None = None
    rules: rules.Rulebook = field(default_factory=rules.shipped)
    until: str | None = None
    checkpoints: frozenset[str] = frozenset()
    keeping: Keeping | None = None
    usual_s: Callable[[str], float | None] = lambda _: None
    at_failure: Callable[[Mapping[str, Endpoint], HarnessError], None] = lambda _at, _error: None
    awaiting: Callable[[Callable[[], str]], AbstractContextManager[None]] = lambda _: nullcontext()
    reserve: Callable[[str, int, int], AbstractContextManager[None]] = lambda *_: nullcontext()
    boot: Callable[[Connection, Run, MachineSpec, Deadline], AbstractContextManager[Machine]] = (
        boot_machine
    )
    plan: Callable[[Connection, Run, MachineSpec], Domain] = planned_domain
    fork: Callable[
        [Connection, Run, SavedMachine, str, Deadline, Segment | None],
        AbstractContextManager[Machine],
    ] = fork_machine
    connect: Callable[[Endpoint, Deadline, StillAlive], Session] = Session.connect
    clock: Clock = SYSTEM_CLOCK

    def deadline(self, limit_s: float) -> Deadline:
        """Return a deadline `limit_s` from now, stretched for a slow guest."""
        return Deadline.after(limit_s * self.timeout_factor, self.clock)
