"""The host of a rehearsal: it switches on machines that only write, step by step."""

from __future__ import annotations

import platform
import re
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

from harness.diagnosis.allow import NOTHING_ALLOWED
from harness.images.acquire.digest import Sha256
from harness.images.acquire.disk_format import DiskFormat
from harness.images.bootimage import BootImage
from harness.images.container.node_image import NodeImage
from harness.images.container.registry import Registry
from harness.images.live_media import LiveMedia
from harness.images.reference import Reference, Transport
from harness.machine.acceleration import Acceleration
from harness.machine.domain.architecture import Accelerator, architecture
from harness.machine.domain.domain import Domain, Port
from harness.machine.domain.emulator import Emulator
from harness.machine.domain.network import Forward
from harness.machine.domain.storage import Disk
from harness.machine.driver import DESTROYED, Connection, RunningDomain
from harness.machine.machine import Machine
from harness.machine.ownership.run import Run
from harness.machine.spec import EVENTS_PORT, PORTS, MachineSpec
from harness.model.clock import Deadline, NotYet, wait_for
from harness.model.secrets.redaction import Redactor
from harness.node.dial import Endpoint
from harness.node.ssh import Session
from harness.player.inputs import Inputs, Rig
from harness.player.scenario import Scenario
from harness.player.steps import Step
from harness.rehearsal.clock import ScriptedClock
from harness.rehearsal.guest import Guest
from harness.rehearsal.script import PULLED, Said, lines_of

_EVERY_S = 1.0
_FIRST_PORT = 2222
_STEP = re.compile(r": step (\d+) of \d+,")
_AREA_AT, _AREA_BYTES, _SECTOR = 1 << 16, 1 << 18, 2048


@dataclass
class _Power:
    """The part of a domain that a scenario can reach: it runs until it is destroyed."""

    ended: str | None = None

    def is_running(self) -> bool:
        return self.ended is None

    def stop_reason(self) -> str | None:
        return self.ended

    def reset(self) -> None:
        """Do nothing: the next step that expects a reboot starts the next kernel."""

    def destroy(self) -> None:
        self.ended = self.ended or DESTROYED


@dataclass
class _Written:
    """The files of a machine's streams, and when its kernel started."""

    console: Path
    events: Path
    booted_s: float = 0.0

    def add(self, said: Said, now_s: float) -> None:
        if said.is_kernels:
            self.booted_s = now_s
        uptime_s = now_s - self.booted_s
        if said.stage:
            head = f"stage={said.stage} state={said.state} uptime={uptime_s:.2f}"
            _append(self.events, f"{head} detail={said.text}")
        else:
            _append(self.console, f"[{uptime_s:12.6f}] {said.text}")


class Host:
    """Boots the machines of one scenario; they write what the step that begins needs."""

    def __init__(self, scenario: Scenario, steps: tuple[Step, ...], folder: Path) -> None:
        self.clock = ScriptedClock()
        self.lines: list[str] = []
        self._scenario = scenario
        self._steps = steps
        self._folder = folder
        self._written: dict[str, _Written] = {}
        self._last_s: dict[str, float] = {}

    def rig(self, guest: Guest, run: Path) -> Rig:
        """Return the rig to play with; `guest` answers for every machine.

        `run` is an empty folder. Its path is short: sockets between machines are in it.
        """

        def connect(endpoint: Endpoint, deadline: Deadline, alive: Callable[[], None]) -> Session:
            def look() -> None:
                alive()
                if not self._consoles[endpoint.port].exists():
                    raise NotYet("nothing was written yet")

            wait_for("SSH", look, deadline)
            return cast("Session", guest)

        scratch = run / "scratch"
        scratch.mkdir()
        return Rig(
            connection=cast("Connection", None), run=Run(folder=run, scratch=scratch),
            emulator=Emulator(path=Path("/qemu"), arch=architecture(platform.machine())),
            timeout_factor=1.0, evidence=self._folder / "evidence", report=self._report,
            acceleration=Acceleration(kind=Accelerator.KVM, reason="rehearsal", timeout_factor=1.0),
            redactor=Redactor(), allow=NOTHING_ALLOWED, today=datetime.now(UTC).date(),
            boot=self._boot, connect=connect, clock=self.clock,
        )  # fmt: skip

    @property
    def _consoles(self) -> dict[int, Path]:
        files = self._written.values()
        return dict(enumerate((written.console for written in files), _FIRST_PORT))

    def _report(self, line: str) -> None:
        self.lines.append(line)
        if found := _STEP.search(line):
            self._begin(int(found[1]) - 1)

    def _begin(self, number: int) -> None:
        """Let the machine of a step write what the step needs, after what it still has to write."""
        step, later = self._steps[number], self._steps[number + 1 :]
        name = self._scenario.record_name(step.machine) if step.machine else ""
        at_s = max(self.clock.now, self._last_s.get(name, 0.0))
        for said in lines_of(step, later):
            at_s += _EVERY_S
            self.clock.add(at_s, self._writes(name, said))
        self._last_s[name] = at_s

    def _writes(self, name: str, said: Said) -> Callable[[], None]:
        return lambda: self._written[name].add(said, self.clock.now)

    @contextmanager
    def _boot(
        self, _connection: object, _run: object, spec: MachineSpec, _deadline: Deadline
    ) -> Iterator[Machine]:
        folder = self._folder / spec.name
        folder.mkdir()
        port = _FIRST_PORT + len(self._written)
        domain = Domain(
            name=spec.name, uuid="0", kind=Accelerator.KVM, cpu="host", memory_mib=spec.memory_mib,
            vcpus=1, emulator=spec.emulator, disks=(Disk(path=folder / "disk", serial="root"),),
            console=folder / "console.log", forwards=(Forward(host_port=port, guest_port=22),),
            ports=tuple(Port(name=name, path=folder / f"{name}.log") for name in PORTS),
        )  # fmt: skip
        machine = Machine(domain, folder, cast("RunningDomain", _Power()), None)
        events = machine.port_files[EVENTS_PORT]
        self._written[spec.name] = _Written(console=machine.console, events=events)
        yield machine


def inputs_in(folder: Path) -> Inputs:
    """Return inputs with images that nobody reads; the run has no control plane."""
    reference = Reference(transport=Transport.OCI, rest="/rehearsal:latest")
    labels = {"io.openshift.build.versions": "machine-os=9.6.20250203-0"}
    return Inputs(
        images=_Images(folder),
        node_image=NodeImage(reference=reference, digest="sha256:1", labels=labels, layers=()),
        pull_spec=PULLED, pause_image="10.0.2.2:5000/pause@sha256:2",
        registry=Registry(port=5000, ca_pem="PEM", folder=folder),
        authfile=None, extra_ignition=(), paths_to_observe=(),
    )  # fmt: skip


class _Images:
    """Images of every key; only the live ISO is read, for its area for a config."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def disk(self, key: str) -> BootImage:
        return BootImage(
            path=Path(f"/rehearsal/{key}.qcow2"), format=DiskFormat.QCOW2, virtual_size_bytes=1,
            sha256=Sha256("0" * 64), origin=key,
        )  # fmt: skip

    def iso(self, key: str) -> Path:
        path = self._folder / f"{key}.iso"
        image = bytearray(_AREA_AT + _AREA_BYTES)
        image[16 * _SECTOR : 16 * _SECTOR + 6] = b"\1CD001"
        header = b"coreiso+" + struct.pack("<QQ", _AREA_AT, _AREA_BYTES)
        image[32768 - len(header) : 32768] = header
        path.write_bytes(image)
        return path

    def live_media(self, key: str, folder: Path) -> LiveMedia:
        parts = {name: folder / name for name in ("kernel", "initramfs", "rootfs")}
        return LiveMedia(iso=self.iso(key), **parts)


def _append(path: Path, line: str) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write(f"{line}\n")
