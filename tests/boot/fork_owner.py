"""An owner of a template and of forks of it, which a test can watch or end.

`fork_owner.py MODE [STORE]` boots a sector that writes a letter after the other, to its console and
to its disk, makes a checkpoint, and prints facts as JSON. MODE is `hold` (two forks, until the end
of standard input), `kill` (the QEMU of a fork is killed), `damage` (one file of the checkpoint
after the other is damaged), `full` (the disk has no space for the checkpoint), or `keep` (it goes
to the folder STORE). `again` boots nothing: it forks what `keep` kept.
"""

from __future__ import annotations

import hashlib
import os
import resource
import signal
import sys
from contextlib import ExitStack
from pathlib import Path

from machine_owner import show, wait_for_end_of_input

from harness.machine.acceleration import Acceleration
from harness.machine.connection import open_connection
from harness.machine.domain.architecture import Accelerator
from harness.machine.domain.domain import Domain
from harness.machine.domain.emulator import find_emulator
from harness.machine.driver import Connection
from harness.machine.forking.fork import fork
from harness.machine.forking.kept_files import Part, opened
from harness.machine.forking.key import Origin, origin_of
from harness.machine.forking.saved import SavedMachine, save, suspended
from harness.machine.forking.store import Store
from harness.machine.machine import Machine, boot, planned
from harness.machine.ownership.processes import processes_naming
from harness.machine.ownership.run import Run, begin_run
from harness.machine.spec import MachineSpec
from harness.model.clock import Deadline, NotYet, wait_for
from harness.model.errors import HarnessError

# 16-bit code: write a letter to the first serial port, and the next letter to the second sector of
# the first disk (BIOS call 13h, function 3), wait for nine ticks of the timer, and so on.
_LETTERS = bytes.fromhex(
    "31c0 8ed8 c606007e61 baf803 a0007e ee fe06007e 31c0 8ec0 bb007e b80103 b90200 ba8000 cd13"
    "b90900 fb f4 e2fd ebda"
)
_SECTOR_BYTES = 512
_LIMIT_S = 120.0


def main(mode: str, store: Path = Path("none")) -> None:
    with begin_run() as run, open_connection("qemu:///embed", run.folder) as connection:
        if mode == "again":
            from_kept(connection, run, store)
        else:
            from_template(mode, connection, run, store)


def from_template(mode: str, connection: Connection, run: Run, store: Path) -> None:
    with boot(connection, run, spec_of(run), deadline()) as template:
        wait_for_letters(template, 3)
        if mode == "full":
            without_space(run, template)
        elif mode == "keep":
            into_store(run, template, store)
        else:
            with_checkpoint(mode, connection, run, template)
        wait_for_end_of_input()


def spec_of(run: Run) -> MachineSpec:
    base = run.folder / "letters.raw"
    sector = _LETTERS.ljust(_SECTOR_BYTES - 2, b"\0") + b"\x55\xaa"
    base.write_bytes(sector.ljust(1 << 20, b"\0"))
    return MachineSpec(
        name="template", emulator=find_emulator("x86_64"),
        acceleration=Acceleration(kind=Accelerator.TCG, reason="asked for", timeout_factor=1.0),
        base=base, base_format="raw", memory_mib=128, vcpus=1, is_template=True,
        ignition='{"ignition":{"version":"3.4.0"}}',
    )  # fmt: skip


def into_store(run: Run, template: Machine, root: Path) -> None:
    with suspended([template]):
        saved = save(template, run.scratch / "checkpoint", origin(template.domain), deadline())
        console = template.console.read_text()
    parts = {"node": Part(saved=saved, origin=origin(saved.domain), notes={"console": console})}
    with Store(root) as store:
        store.keep("letters", "here", parts, (), deadline())
    wait_for_letters(template, len(console) + 2)
    show(**places(run), at_checkpoint=console)


def from_kept(connection: Connection, run: Run, root: Path) -> None:
    spec = spec_of(run)
    with Store(root) as store, ExitStack() as stack:
        (kept,) = store.entries()
        domain = planned(connection, run, spec)
        is_same = origin(domain) == kept.machines["node"].origin
        is_taken = store.take(kept)
        saved = opened(
            kept, "node", domain=domain, base=spec.base, folder=run.scratch / "kept/node",
            deadline=deadline(),
        )  # fmt: skip
        saved.require_usable(origin(domain).key)
        forks = [
            stack.enter_context(fork(connection, run, saved, "fork", deadline())) for _ in range(2)
        ]
        for each in forks:
            wait_for_letters(each, 2)
        show(
            **places(run), is_same=is_same, is_taken=is_taken,
            at_checkpoint=kept.machines["node"].notes["console"],
            forks=[each.console.read_text() for each in forks],
        )  # fmt: skip
        wait_for_end_of_input()


def without_space(run: Run, template: Machine) -> None:
    before = template.console.read_text()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (64 << 20, limits[1]))
    error = ""
    try:
        with suspended([template]):
            save(template, run.scratch / "checkpoint", origin(template.domain), deadline())
    except HarnessError as exc:
        error = str(exc)
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    wait_for_letters(template, len(before) + 2)
    left = [str(path) for path in (run.scratch / "checkpoint").glob("*")]
    show(**places(run), error=error, left=left)


def with_checkpoint(mode: str, connection: Connection, run: Run, template: Machine) -> None:
    with suspended([template]):
        checkpoint = save(template, run.scratch / "checkpoint", origin(template.domain), deadline())
        console = template.console.read_text()
    before = digests(checkpoint)
    with ExitStack() as stack:
        if mode == "damage":
            show(**places(run), problems=problems_of(checkpoint, connection, run))
            return
        forks = [
            stack.enter_context(fork(connection, run, checkpoint, "fork", deadline()))
            for _ in range(2)
        ]
        for each in forks:
            wait_for_letters(each, 2)
        if mode == "kill":
            show(**places(run), reason=killed(forks[0]), other=forks[1].is_running())
            return
        show(
            **places(run),
            at_checkpoint=console,
            template=template.console.read_text(),
            forks=[each.console.read_text() for each in forks],
            disks=sorted({str(each.domain.disks[0].path) for each in (*forks, template)}),
            is_unchanged=digests(checkpoint) == before,
            modes=[oct(path.stat().st_mode & 0o777) for path in checkpoint.folder.iterdir()],
        )
        wait_for_end_of_input()


def places(run: Run) -> dict[str, str]:
    return {"folder": str(run.folder), "scratch": str(run.scratch)}


def problems_of(checkpoint: SavedMachine, connection: Connection, run: Run) -> list[str]:
    key = origin(checkpoint.domain).key
    checkpoint.require_usable(key)
    problems = [problem_of(checkpoint, "another key")]
    whole = checkpoint.state.read_bytes()
    checkpoint.state.write_bytes(whole[:5000])
    problems.append(problem_of(checkpoint, key))
    try:
        with fork(connection, run, checkpoint, "damaged", deadline()):
            problems.append("it was started")
    except HarnessError as exc:
        problems.append(str(exc))
    checkpoint.state.write_bytes(whole)
    with checkpoint.ram.open("r+b") as file:
        file.write(b"?")
    problems.append(problem_of(checkpoint, key))
    return problems


def problem_of(checkpoint: SavedMachine, key: str) -> str:
    try:
        checkpoint.require_usable(key)
    except HarnessError as exc:
        return str(exc)
    return "it is usable"


def killed(machine: Machine) -> str | None:
    for pid in processes_naming(machine.domain.disks[0].path.parent):
        os.kill(pid, signal.SIGKILL)
    return wait_for("its end", lambda: stopped(machine), deadline(), tick_s=0.05)


def stopped(machine: Machine) -> str:
    reason = machine.why_stopped()
    if reason is None:
        raise NotYet("it runs")
    return reason


def origin(domain: Domain) -> Origin:
    return origin_of(domain, ignition={}, images={}, step="letters", code="", deadline=deadline())


def digests(checkpoint: SavedMachine) -> list[str]:
    files = (checkpoint.disk.path, checkpoint.ram, checkpoint.state)
    return [hashlib.sha256(path.read_bytes()).hexdigest() for path in files]


def wait_for_letters(machine: Machine, count: int) -> None:
    def _written() -> None:
        if (found := len(machine.console.read_text())) < count:
            raise NotYet(f"{found} letters")

    wait_for("letters on the console", _written, deadline(), tick_s=0.05)


def deadline() -> Deadline:
    return Deadline.after(_LIMIT_S)


if __name__ == "__main__":
    main(sys.argv[1], *map(Path, sys.argv[2:]))
