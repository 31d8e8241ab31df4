"""Inputs, machines and boots for tests of scenarios: real values over files, nothing runs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path
from types import MappingProxyType
from typing import cast

from machine_fakes import FakeClock, FakeConnection, FakeDomain, make_run

from harness.diagnosis import rules
from harness.diagnosis.allow import AllowList
from harness.diagnosis.engine import Engine
from harness.guest.keys import make_run_keys
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
from harness.machine.domain.storage import Disk
from harness.machine.machine import Machine
from harness.machine.spec import PORTS
from harness.model.clock import Deadline
from harness.model.ignition import Document, render
from harness.model.record import MachineRecord
from harness.model.secret import Secret
from harness.model.secrets.redaction import Redactor
from harness.node.ssh import Result, Session
from harness.player.inputs import Inputs, Rig
from harness.player.playing.stage import Stage
from harness.player.running import Running
from harness.scenarios.catalogue import Catalogue
from harness.watching.evidence import Evidence
from harness.watching.watch import Watch

KEYS = make_run_keys()
TODAY = date(2026, 1, 1)
MEDIA = LiveMedia(
    iso=Path("/live/live.iso"), kernel=Path("/live/vmlinuz"), initramfs=Path("/live/initrd.img"),
    rootfs=Path("/live/rootfs.img"),
)  # fmt: skip
NO_LABELS: Mapping[str, str] = MappingProxyType({})


def make_inputs(authfile: Secret | None = None) -> Inputs:
    reference = Reference(transport=Transport.OCI, rest="/x:latest")
    thin = BootImage(
        path=Path("/images/thin.qcow2"), format=DiskFormat.QCOW2, virtual_size_bytes=1,
        sha256=Sha256("0" * 64), origin="thin.qcow2",
    )  # fmt: skip
    return Inputs(
        images=FakeImages(thin),
        node_image=NodeImage(reference=reference, digest="sha256:1", labels=NO_LABELS, layers=()),
        pull_spec="10.0.2.2:5000/node@sha256:1",
        pause_image="10.0.2.2:5000/pause@sha256:2",
        registry=Registry(port=5000, ca_pem="PEM", folder=Path("/registry")),
        authfile=authfile,
        extra_ignition=(),
        paths_to_observe=("/usr/bin/oc",),
    )  # fmt: skip


class FakeImages:
    """Disk images of any key, which nobody reads, and the live media."""

    def __init__(self, disk: BootImage) -> None:
        self._disk = disk

    def disk(self, key: str) -> BootImage:
        return replace(self._disk, path=Path(f"/images/{key}.qcow2"))

    def iso(self, key: str) -> Path:
        return MEDIA.iso

    def live_media(self, key: str, folder: Path) -> LiveMedia:
        return MEDIA


def make_rig(tmp_path: Path, lines: list[str] | None = None) -> Rig:
    return Rig(
        connection=FakeConnection(), run=make_run(tmp_path, "run-000001"),
        emulator=Emulator(path=Path("/qemu"), arch=architecture("x86_64")),
        timeout_factor=2.0, evidence=tmp_path / "evidence",
        report=(lines if lines is not None else []).append,
        acceleration=Acceleration(kind=Accelerator.TCG, reason="asked for", timeout_factor=2.0),
        redactor=Redactor(), allow=AllowList(), today=TODAY,
    )  # fmt: skip


def make_site(tmp_path: Path, inputs: Inputs, name: str = "ipi_bootstrap") -> Stage:
    return Stage(Catalogue().named(name), make_rig(tmp_path), inputs)


def config_of(tmp_path: Path, inputs: Inputs, name: str = "ipi_bootstrap") -> Document:
    """Return the config of the only machine of a scenario without services."""
    return make_site(tmp_path, inputs, name).config_of("node")


def file_paths(document: Document) -> set[str]:
    found = json.loads(render(document))
    return {file["path"] for file in found["storage"]["files"]}


def make_machine(tmp_path: Path, reason: str | None = None) -> Machine:
    folder = make_run(tmp_path).folder
    domain = Domain(
        name="one", uuid="0", kind=Accelerator.TCG, cpu="Nehalem", memory_mib=1, vcpus=1,
        emulator=Emulator(path=Path("/qemu"), arch=architecture("x86_64")),
        disks=(Disk(path=folder / "disk", serial="root"),), console=folder / "console.log",
        ports=tuple(Port(name=name, path=folder / name) for name in PORTS),
    )  # fmt: skip
    return Machine(domain, folder, FakeDomain(reason=reason), None)


def make_watch(machine: Machine, tmp_path: Path) -> tuple[Watch, list[str], FakeClock]:
    lines: list[str] = []
    clock = FakeClock()
    evidence = Evidence.begin(tmp_path / "evidence", "one", Redactor())
    watch = Watch(
        machine=machine, evidence=evidence, report=lines.append, clock=clock,
        engine=Engine(rules.shipped(), AllowList(), factor=1.0, arch="x86_64", today=TODAY),
        record=MachineRecord(name="one", scenario="ipi", folder="one"),
    )  # fmt: skip
    return watch, lines, clock


class FakeShell:
    """Answers with what is left of `answers`, the last one again and again."""

    def __init__(self, *answers: str | Exception) -> None:
        self.answers = list(answers)

    def run(
        self, command: str, deadline: Deadline, *, check: bool = False, sudo: bool = True
    ) -> Result:
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return Result(status=0, stdout=answer, stderr="")


def make_running(tmp_path: Path, *answers: str | Exception) -> tuple[Running, list[str]]:
    """Return a machine that is on, whose guest gives `answers` by SSH."""
    machine = make_machine(tmp_path)
    watch, lines, _ = make_watch(machine, tmp_path)
    running = Running(
        name="one", machine=machine,
        watch=watch, evidence=Evidence(folder=tmp_path, redactor=Redactor()),
        logged_in=cast("Session", FakeShell(*answers)) if answers else None,
    )  # fmt: skip
    return running, lines
