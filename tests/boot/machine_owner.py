"""An owner to be killed: boots one machine from a boot sector and prints where it is.

`machine_owner.py MODE URI BASE [OPTIONS]` prints one JSON object when the machine runs; BASE
`blank` is an empty disk. MODE is `hold` (wait for the end of standard input), `fail` (raise
inside), or `watch` (wait for the machine to stop by itself and print why). libvirt's embedded
driver allows one run per process, hence a program.
"""

from __future__ import annotations

import argparse
import json
import logging
import select
import sys
from pathlib import Path

from harness.machine.acceleration import Acceleration
from harness.machine.connection import open_connection
from harness.machine.domain import hardware
from harness.machine.domain.architecture import Accelerator
from harness.machine.domain.emulator import find_emulator
from harness.machine.domain.segment import pair
from harness.machine.machine import Machine, boot
from harness.machine.ownership.run import Run, begin_run
from harness.machine.spec import MachineSpec
from harness.model.clock import Deadline, NotYet, wait_for

_NO_IGNITION = '{"ignition":{"version":"3.4.0"}}'


def main(options: argparse.Namespace) -> None:
    deadline = Deadline.after(60)
    with (
        begin_run() as run,
        open_connection(options.uri, run.folder) as connection,
        boot(connection, run, spec_of(options, run), deadline) as machine,
    ):
        show(
            folder=str(run.folder),
            scratch=str(run.scratch),
            console=str(machine.console),
            ports={name: str(path) for name, path in machine.port_files.items()},
            peak=machine.peak_memory_bytes(),
            ssh_port=machine.ssh_port,
            peer=str(machine.domain.segment and machine.domain.segment.remote),
        )
        if options.mode == "fail":
            raise RuntimeError("the owner fails")
        if options.mode == "watch":
            reason = wait_for("the end", lambda: stopped(machine), deadline, tick_s=0.05)
            console = machine.console.read_text(errors="replace")
            show(reason=reason, console=console)
        else:
            wait_for_end_of_input()


def wait_for_end_of_input() -> None:
    # Python handles a signal that comes just as a read begins when the read ends: this one never
    # would, which a test saw that sends its signal at the first output.
    while not select.select([sys.stdin], [], [], 0.2)[0]:
        pass


def spec_of(options: argparse.Namespace, run: Run) -> MachineSpec:
    return MachineSpec(
        name="one",
        emulator=find_emulator(options.arch),
        acceleration=Acceleration(kind=Accelerator.TCG, reason="asked for", timeout_factor=1.0),
        base=None if options.base == "blank" else Path(options.base),
        base_format="qcow2" if options.base.endswith(".qcow2") else "raw",
        ignition=options.ignition.read_text() if options.ignition else _NO_IGNITION,
        memory_mib=options.memory_mib,
        vcpus=1,
        cdrom=options.cdrom,
        netboot=options.netboot,
        hardware=hardware.parse(options.hardware),
        segment=pair(run.folder, "one", "peer")[0] if options.segment else None,
    )


def stopped(machine: Machine) -> str:
    reason = machine.why_stopped()
    if reason is None:
        raise NotYet("it runs")
    return reason


def show(**facts: object) -> None:
    sys.stdout.write(json.dumps(facts) + "\n")
    sys.stdout.flush()


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("mode")
    parser.add_argument("uri")
    parser.add_argument("base")
    parser.add_argument("--cdrom", type=Path)
    parser.add_argument("--netboot")
    parser.add_argument("--hardware", default="")
    parser.add_argument("--segment", action="store_true")
    parser.add_argument("--arch")
    parser.add_argument("--ignition", type=Path)
    parser.add_argument("--memory-mib", type=int, default=128)
    return parser.parse_args()


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(relativeCreated)d %(name)s %(message)s")
    main(read_options())
