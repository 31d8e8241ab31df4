"""A running machine, with all that it takes from the host.

`boot` is the only way to get one, and no machine outlives its context.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from harness import doctor
from harness.machine.disk import BLANK_BYTES, create_blank, create_overlay, served
from harness.machine.domain.domain import Domain
from harness.machine.domain.hardware import needs
from harness.machine.domain.ram import Ram
from harness.machine.domain.storage import Disk, Paths
from harness.machine.driver import (
    DESTROYED,
    DISK_FULL,
    POWERED_OFF,
    Connection,
    RunningDomain,
)
from harness.machine.guest_memory import nameless
from harness.machine.ownership import processes
from harness.machine.ownership.ports import reserve_port
from harness.machine.ownership.remains import SCRATCH, DomainRecord
from harness.machine.ownership.run import Run
from harness.machine.spec import EMULATOR_MIB, MachineSpec, disk_at, domain_of
from harness.model.clock import Deadline

LOG = logging.getLogger(__name__)
_LOG_TAIL_LINES = 5


class Machine:
    """A machine that was started. It may stop by itself. It is destroyed when its context ends."""

    def __init__(
        self, domain: Domain, folder: Path, running: RunningDomain, qemu_log: Path | None
    ) -> None:
        self.domain = domain
        self.folder = folder
        self.running = running
        self._qemu_log = qemu_log
        self._peak_bytes = 0

    @property
    def name(self) -> str:
        """The domain's name, unique among all runs."""
        return self.domain.name

    @property
    def ssh_port(self) -> int:
        """The port on 127.0.0.1 that is forwarded to the guest's port 22."""
        return self.domain.forwards[0].host_port

    @property
    def console(self) -> Path:
        """The file of the serial console, from power-on and across reboots."""
        return self.domain.console

    @property
    def port_files(self) -> Mapping[str, Path]:
        """The file of each virtio-serial port, by the port's name."""
        return MappingProxyType({port.name: port.path for port in self.domain.ports})

    def is_running(self) -> bool:
        """Return whether it has neither stopped nor been destroyed."""
        return self.running.is_running()

    def why_stopped(self) -> str | None:
        """Return why it stopped, with QEMU's last lines after a crash; None while it runs."""
        reason = self.running.stop_reason()
        if reason == DISK_FULL:
            return f"{reason} in {(self.folder.parent / SCRATCH).resolve()}"
        if reason in (None, POWERED_OFF, DESTROYED) or self._qemu_log is None:
            return reason
        return "\n  ".join([str(reason), *_last_lines(self._qemu_log)])

    def peak_memory_bytes(self) -> int:
        """Return QEMU's peak memory; once it is gone, the last known figure."""
        # Found by its disk: QEMU gets logs as open files, and a config may be in a medium.
        for pid in processes.processes_naming(self.domain.disks[0].path.parent):
            peak = processes.peak_bytes(processes.read_status(pid))
            self._peak_bytes = max(self._peak_bytes, peak)
        return self._peak_bytes

    def reset(self) -> None:
        """Reset the machine as by its button, as fencing does.

        Raises:
            RigError: libvirt refuses.
        """
        self.running.reset()

    def destroy(self) -> None:
        """Switch the machine off at once, if it is on."""
        self.peak_memory_bytes()
        self.running.destroy()


@contextmanager
def boot(
    connection: Connection, run: Run, spec: MachineSpec, deadline: Deadline
) -> Iterator[Machine]:
    """Run a machine made from `spec`; on leaving, it and its disk are gone.

    Its console and port files stay until `run` ends.

    Raises:
        MemoryShortageError: the host has too little memory, and no other run will free some.
        InputError: the architecture or the host lacks what its hardware needs, there is no space
            for its disk, or the address `netboot` is too long.
        RigError: libvirt or QEMU refused it.
    """
    doctor.demand(needs(spec.emulator.arch, spec.hardware))
    folder = claim_folder(run, spec.name)
    spec = replace(spec, name=folder.name)
    with ExitStack() as stack:
        limit_s = deadline.remaining_s
        stack.enter_context(run.memory.reserve(spec.name, spec.memory_mib + EMULATOR_MIB))
        deadline = Deadline.after(limit_s, deadline.clock)  # memory may be awaited for long
        port = stack.enter_context(reserve_port(run.port_locks))
        disk = stack.enter_context(_disk(run, spec, deadline))
        domain = domain_of(connection, run, spec, disk, port)
        if spec.is_template:
            file = stack.enter_context(nameless(spec.memory_mib))
            ram = Ram(path=file, is_shared=True)
            domain = replace(domain, ram=ram, generation=str(uuid.uuid4()))
        yield stack.enter_context(started(connection, run, domain, folder))


def planned(connection: Connection, run: Run, spec: MachineSpec) -> Domain:
    """Return the domain that `boot` would run for a template, for forks of an earlier one.

    Of its files there is only its config. It has no port.
    """
    folder = claim_folder(run, spec.name)
    disk = disk_at(folder / "disk", spec)
    domain = domain_of(connection, run, replace(spec, name=folder.name), disk, 0)
    ram = Ram(path=folder / "ram", is_shared=True)
    return replace(domain, ram=ram, generation=str(uuid.uuid4()))


def claim_folder(run: Run, name: str) -> Path:
    """Make the machine's own folder; an earlier machine's of this name stays as evidence."""
    folder, number = run.folder / name, 1
    while True:
        try:
            folder.mkdir()
        except FileExistsError:
            number += 1
            folder = run.folder / f"{name}-{number}"
        else:
            return folder


@contextmanager
def disk_folder(run: Run, name: str) -> Iterator[Path]:
    """Context manager that yields a folder for the disks of the machine `name`.

    On leaving, they are gone.
    """
    folder = run.scratch / name
    folder.mkdir()
    try:
        yield folder
    finally:
        for disk in folder.iterdir():
            disk.unlink()


@contextmanager
def _disk(run: Run, spec: MachineSpec, deadline: Deadline) -> Iterator[Disk | Paths]:
    with disk_folder(run, spec.name) as folder:
        path = _new_disk(folder, spec, deadline)
        if not spec.hardware.is_multipath:
            yield disk_at(path, spec)
            return
        socket = run.folder / spec.name / "disk.nbd"
        with served(path, socket, deadline):
            yield disk_at(socket, spec)


def _new_disk(folder: Path, spec: MachineSpec, deadline: Deadline) -> Path:
    if spec.base is None:
        return create_blank(folder, spec.disk_bytes or BLANK_BYTES, deadline)
    return create_overlay(
        spec.base, spec.base_format, folder, size_bytes=spec.disk_bytes, deadline=deadline
    )


def _last_lines(log: Path) -> list[str]:
    try:
        return log.read_text(errors="replace").splitlines()[-_LOG_TAIL_LINES:]
    except FileNotFoundError:
        return []


@contextmanager
def started(connection: Connection, run: Run, domain: Domain, folder: Path) -> Iterator[Machine]:
    """Context manager that runs the machine of `domain`; on leaving, it is gone.

    One that is incoming is paused.

    Raises:
        RigError: libvirt or QEMU refused it.
    """
    record = DomainRecord(uri=connection.uri, uuid=domain.uuid, name=domain.name)
    run.record_domain(record)
    log = connection.log_folder and connection.log_folder / f"{domain.name}.log"
    running = connection.start(domain.to_xml(), is_paused=domain.is_incoming)
    machine = Machine(domain, folder, running, log)
    LOG.info(
        "%s: started with %s, %d MiB, console %s",
        domain.name, domain.kind, domain.memory_mib, domain.console,
    )  # fmt: skip
    try:
        yield machine
    finally:
        machine.destroy()
        run.forget_domain(record)
        LOG.info("%s: gone, peak memory %d MiB", domain.name, machine.peak_memory_bytes() >> 20)
