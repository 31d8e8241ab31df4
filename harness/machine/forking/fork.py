"""Forks: machines that go on from a checkpoint, each with its own copy of what it changes."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

from harness.machine.disk import create_overlay
from harness.machine.domain.domain import Domain
from harness.machine.domain.ram import Ram
from harness.machine.domain.segment import Segment
from harness.machine.driver import Connection
from harness.machine.forking import device_state
from harness.machine.forking.saved import DamagedError, SavedMachine
from harness.machine.machine import Machine, claim_folder, disk_folder, started
from harness.machine.ownership.ports import reserve_port
from harness.machine.ownership.run import Run
from harness.machine.spec import EMULATOR_MIB
from harness.model.clock import Deadline
from harness.model.errors import RigError

# What a fork may write before the host runs short: all else is shared and can be read again.
_WRITTEN_MIB = 512


def fork_mib(memory_mib: int) -> int:
    """Return what a fork of a machine with so much memory takes of the host, with QEMU."""
    return min(memory_mib, _WRITTEN_MIB) + EMULATOR_MIB


@contextmanager
def fork(
    connection: Connection,
    run: Run,
    checkpoint: SavedMachine,
    name: str,
    deadline: Deadline,
    segment: Segment | None = None,
) -> Iterator[Machine]:
    """Run a machine that goes on from `checkpoint`; on leaving, it and what it wrote are gone.

    A second one of one `name` in a run is called `name-2`. `segment` is its side of a link, if the
    machine of the checkpoint had one. It has its own port, disk and streams, which have nothing of
    the time before. Its clock stands where the other one's stood.

    Raises:
        MemoryShortageError: the host has too little memory, and no other run will free some.
        InputError: there is no space for its disk.
        DamagedError: the checkpoint does not start, or not load.
    """
    folder = claim_folder(run, name)
    limit_s = deadline.remaining_s
    with ExitStack() as stack:
        memory_mib = fork_mib(checkpoint.domain.memory_mib)
        stack.enter_context(run.memory.reserve(folder.name, memory_mib))
        deadline = Deadline.after(limit_s, deadline.clock)  # memory may be awaited for long
        port = stack.enter_context(reserve_port(run.port_locks))
        disks = stack.enter_context(disk_folder(run, folder.name))
        disk = create_overlay(checkpoint.disk.path, "qcow2", disks, deadline=deadline)
        domain = replace(
            _domain(checkpoint, f"node-image-{run.id}-{folder.name}", folder),
            disks=(replace(checkpoint.disk, path=disk), *checkpoint.domain.disks[1:]),
            forwards=tuple(
                replace(forward, host_port=port) for forward in checkpoint.domain.forwards
            ),
            segment=segment,
        )
        try:
            machine = stack.enter_context(started(connection, run, domain, folder))
        except RigError as exc:
            problem = f"does not start: {exc.subject}: {exc.problem}"
            raise DamagedError(checkpoint.folder, problem) from exc
        _load(machine, checkpoint, deadline)
        machine.running.resume()
        yield machine


def _load(machine: Machine, checkpoint: SavedMachine, deadline: Deadline) -> None:
    try:
        device_state.load(machine.running, checkpoint.state, deadline)
    except RigError as exc:
        # QEMU ends if it cannot load the state, and says why.
        reason = machine.why_stopped() or str(exc)
        raise DamagedError(checkpoint.folder, f"does not load: {reason}") from exc


def _domain(checkpoint: SavedMachine, name: str, folder: Path) -> Domain:
    """Return the domain of a fork, without its disk and its port."""
    template = checkpoint.domain
    return replace(
        template,
        name=name,
        uuid=str(uuid.uuid4()),
        console=folder / template.console.name,
        ports=tuple(replace(port, path=folder / port.path.name) for port in template.ports),
        ram=Ram(path=checkpoint.ram, is_shared=False),
        generation=str(uuid.uuid4()),
        is_incoming=True,
    )
