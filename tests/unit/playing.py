"""Plays scenarios with a fake clock over composed streams: nothing boots, and nothing waits.

A recording is what each machine of a scenario writes, with the seconds since its power-on. The
clock hands a line to its stream's file when its moment comes, and jumps to the next one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import cast

from machine_fakes import FakeClock, FakeConnection, FakeDomain, make_run
from scenario_fakes import TODAY

from harness import folders
from harness.cluster.release_payload import ReleasePayload
from harness.diagnosis.allow import AllowList
from harness.guest.live_apply import OBSERVE
from harness.machine.acceleration import Acceleration
from harness.machine.domain.architecture import Accelerator, architecture
from harness.machine.domain.domain import Domain, Port
from harness.machine.domain.emulator import Emulator
from harness.machine.domain.network import Forward
from harness.machine.domain.ram import Ram
from harness.machine.domain.storage import Disk
from harness.machine.forking.saved import DamagedError, SavedMachine
from harness.machine.machine import Machine
from harness.machine.ownership.run import Run
from harness.machine.spec import EVENTS_PORT, PORTS, MachineSpec
from harness.model.clock import Deadline, NotYet, wait_for
from harness.model.ignition import Document, Json
from harness.model.secret import Secret
from harness.model.secrets.redaction import Redactor
from harness.node.dial import Endpoint
from harness.node.ssh import GuestCommandError, Result, Session
from harness.player.inputs import Rig
from harness.player.keeping import Keeping

ANSWERS = {"systemctl is-active": "active active multi-user.target oc\n"}
"""What the guest of a scenario that succeeds says by SSH, beside nothing."""
RELEASE = ReleasePayload(release_pull_spec="h/release@sha256:0", images={})
BANNER = "[    0.000000] Linux version 6.1.0-56-cloud-amd64 (debian)"
_ENDPOINT = Endpoint(address="127.0.0.1", port=1, client_key=Secret(""), host_key="")
RESTART = "[   99.000000] reboot: Restarting system"
_IDLE_S = 40.0
_FIRST_PORT = 2222
_STATES = {
    when: folders.fixture(f"transcripts/observe-{when}.txt").read_text(encoding="utf-8")
    for when in ("before", "after")
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """What a machine writes at a moment, in seconds since its power-on; `stream` names it."""

    at_s: float
    stream: str
    text: str


Recording = Sequence[Line]


@dataclass(frozen=True, slots=True, kw_only=True)
class Disturbance:
    """What goes wrong: no composed line comes later than `silent_from_s`, by the play's clock.

    `machine` then reboots so often, or its QEMU ends.
    """

    silent_from_s: float = math.inf
    machine: str = ""
    reboots: int = 0
    ends: bool = False


class NoSecrets(Redactor):
    """Looks for nothing: what is kept of configs has tests of its own, and costs most of a play."""

    def add(self, secret: Secret | str) -> None:
        """Know no secret."""

    def __call__(self, text: str) -> str:
        return text

    def value(self, value: Json) -> Json:
        return value

    def config(self, document: Document) -> Document:
        return document


class ScriptedClock(FakeClock):
    """Time that passes while somebody sleeps, up to the next moment at which something happens."""

    def __init__(self) -> None:
        super().__init__()
        self._due: list[tuple[float, Callable[[], None]]] = []
        self.each_second: Callable[[], None] = lambda: None

    def add(self, at_s: float, act: Callable[[], None]) -> None:
        self._due.append((at_s, act))
        self._due.sort(key=lambda due: due[0])

    def sleep(self, seconds: float) -> None:
        next_s = self._due[0][0] if self._due else self.now + _IDLE_S
        end_s = max(self.now + min(seconds, 0.5), min(next_s, self.now + _IDLE_S))
        while self.now < end_s:
            self.now = min(self.now + 1.0, end_s)
            self.each_second()
        while self._due and self._due[0][0] <= self.now:
            self._due.pop(0)[1]()


@dataclass
class Guest:
    """What answers by SSH. `answers` are for commands that begin so; the rest succeeds silently."""

    answers: Mapping[str, str | Result | Exception] = field(default_factory=dict)

    def run(
        self, command: str, deadline: Deadline, *, check: bool = False, sudo: bool = True
    ) -> Result:
        known = (answer for begin, answer in self.answers.items() if command.startswith(begin))
        answer = next(known, _STATES["after"] if command == OBSERVE else "")
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, str):
            return Result(status=0, stdout=answer, stderr="")
        if check and answer.status:
            raise GuestCommandError(_ENDPOINT, command, answer)
        return answer

    def read_text(self, path: str, deadline: Deadline) -> str:
        return _STATES["before"]

    def close(self) -> None:
        """Close nothing."""

    def wait_for_reboot(self, old_boot_ids: Collection[str], deadline: Deadline) -> None:
        """Let in at once: the kernel of the next boot has been seen."""

    def __enter__(self) -> Guest:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class PlayedMachine(Machine):
    """A machine without a QEMU, for which nothing searches the processes of this host."""

    def peak_memory_bytes(self) -> int:
        return 0


class Host:
    """Boots machines out of recordings, by their names; the guests let in with their first line."""

    def __init__(
        self,
        folder: Path,
        recordings: Mapping[str, Recording],
        *,
        guest: Guest | None = None,
        disturbance: Disturbance | None = None,
    ) -> None:
        self.clock = ScriptedClock()
        self.lines: list[tuple[float, str]] = []
        self._folder = folder
        self._recordings = recordings
        self._guest = guest or Guest(ANSWERS)
        self._disturbance = disturbance or Disturbance()
        self.specs: dict[str, MachineSpec] = {}
        self.domains: dict[str, FakeDomain] = {}
        self._consoles: dict[int, Path] = {}
        self.checkpoints: frozenset[str] = frozenset()
        self.forks: list[SavedMachine] = []
        self.ended_forks: list[str] = []
        self.fork_problem = ""
        self.migration = "completed"
        self.qemu = folder / "qemu"
        self.keeping: Keeping | None = None

    @property
    def rig(self) -> Rig:
        return Rig(
            connection=FakeConnection(), run=make_run(self._folder, "run-000001"),
            emulator=Emulator(path=Path("/qemu"), arch=architecture("x86_64")),
            timeout_factor=1.0, evidence=self._folder / "evidence", report=self._report,
            acceleration=Acceleration(kind=Accelerator.KVM, reason="asked for", timeout_factor=1.0),
            redactor=NoSecrets(), allow=AllowList(), today=TODAY,
            boot=self._boot, fork=self._fork, connect=self._connect, clock=self.clock,
            checkpoints=self.checkpoints, plan=self._plan, keeping=self.keeping,
        )  # fmt: skip

    def step_began_s(self, number: int) -> float:
        """Return when a step, counted from 1, began in the play before."""
        return next(at_s for at_s, line in self.lines if f": step {number} of " in line)

    def _report(self, line: str) -> None:
        self.lines.append((self.clock.now, line))

    @contextmanager
    def _boot(
        self, _connection: object, _run: object, spec: MachineSpec, _deadline: Deadline
    ) -> Iterator[Machine]:
        self.specs[spec.name] = spec
        folder = self._folder / spec.name
        folder.mkdir()
        port = _FIRST_PORT + len(self._consoles)
        self._consoles[port] = folder / "console.log"
        domain = _domain(spec, folder, port)
        running = self.domains[spec.name] = FakeDomain(migration=self.migration)
        if spec.is_template:
            domain = self._as_template(domain, running)
        machine = PlayedMachine(domain, folder, running, None)
        files = {"console": machine.console, "events": machine.port_files[EVENTS_PORT]}
        for line in self._recordings[spec.name]:
            at_s = self.clock.now + line.at_s
            if at_s <= self._disturbance.silent_from_s:
                self.clock.add(at_s, _append(files[line.stream], line.text))
        if spec.name == self._disturbance.machine:
            self._disturb(files["console"], running)
        yield machine

    def _plan(self, _connection: object, run: Run, spec: MachineSpec) -> Domain:
        domain = _domain(spec, run.folder / spec.name, 0)
        emulator = replace(domain.emulator, path=self.qemu)
        return replace(domain, emulator=emulator, ram=Ram(path=Path("ram"), is_shared=True))

    def _as_template(self, domain: Domain, running: FakeDomain) -> Domain:
        """Return the domain with files for memory and disk, and with a QEMU that says who it is."""
        disk = domain.disks[0].path
        memory = disk.with_name("memory")
        for path in (disk, memory):
            path.write_bytes(b"")
        self.qemu.write_text("#!/bin/sh\necho QEMU\n")
        self.qemu.chmod(0o755)
        running.disk = str(disk)
        emulator = replace(domain.emulator, path=self.qemu)
        return replace(domain, emulator=emulator, ram=Ram(path=memory, is_shared=True))

    @contextmanager
    def _fork(
        self, _connection: object, _run: object, saved: SavedMachine, name: str, *_: object
    ) -> Iterator[Machine]:
        self.forks.append(saved)
        if self.fork_problem:
            raise DamagedError(saved.folder, self.fork_problem)
        folder = self._folder / f"{name}-{len(self.forks)}"
        folder.mkdir()
        port = _FIRST_PORT + len(self._consoles)
        self._consoles[port] = folder / "console.log"
        self._consoles[port].touch()
        domain = replace(
            saved.domain, name=folder.name, console=folder / "console.log",
            forwards=(Forward(host_port=port, guest_port=22),),
            ports=tuple(Port(name=name, path=folder / name) for name in PORTS),
        )  # fmt: skip
        yield PlayedMachine(domain, folder, FakeDomain(), None)
        self.ended_forks.append(folder.name)

    def _disturb(self, console: Path, running: FakeDomain) -> None:
        at_s = max(self.clock.now, self._disturbance.silent_from_s)
        for number in range(self._disturbance.reboots):
            text = f"{RESTART}\n{BANNER}"
            self.clock.add(at_s + number + 1.0, _append(console, text))
        if self._disturbance.ends:
            self.clock.add(at_s + 1.0, _stop(running))

    def _connect(
        self, endpoint: Endpoint, deadline: Deadline, still_alive: Callable[[], None]
    ) -> Session:
        def look() -> None:
            still_alive()
            if not self._consoles[endpoint.port].exists():
                raise NotYet("nobody answers")

        wait_for("SSH", look, deadline)
        return cast("Session", self._guest)


def _domain(spec: MachineSpec, folder: Path, port: int) -> Domain:
    return Domain(
        name=spec.name, uuid="0", kind=Accelerator.KVM, cpu="host", memory_mib=1, vcpus=1,
        emulator=spec.emulator, disks=(Disk(path=folder / "disk", serial="root"),),
        console=folder / "console.log", forwards=(Forward(host_port=port, guest_port=22),),
        ports=tuple(Port(name=name, path=folder / name) for name in PORTS), cdrom=spec.cdrom,
    )  # fmt: skip


def _append(path: Path, text: str) -> Callable[[], None]:
    def act() -> None:
        with path.open("a", encoding="utf-8") as file:
            file.write(f"{text}\n")

    return act


def _stop(domain: FakeDomain) -> Callable[[], None]:
    def act() -> None:
        domain.reason = "QEMU ended by itself"

    return act
