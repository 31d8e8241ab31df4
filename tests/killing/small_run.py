"""A small run: a registry, machines of boot sectors, a checkpoint and forks, all within seconds.

It prints `phase NAME` as it goes on. `tests/boot` has to be in the path.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace

from fork_owner import deadline, origin, spec_of, wait_for_letters

from harness.images.container.pause import write_pause_image
from harness.images.container.registry import serve
from harness.images.container.skopeo import Source
from harness.machine.connection import open_connection
from harness.machine.domain import hardware
from harness.machine.forking.fork import fork
from harness.machine.forking.saved import save, suspended
from harness.machine.machine import boot
from harness.machine.ownership.run import begin_run

_FORKS = 2


def main() -> None:
    phase("begin")
    with ExitStack() as stack:
        run = stack.enter_context(begin_run())
        phase("run")
        registry = stack.enter_context(serve(run.folder, deadline()))
        phase("registry")
        phase("push")
        image = Source(reference=write_pause_image(run.folder / "pause", "x86_64"), arch="x86_64")
        registry.push(image, "pause", deadline())
        connection = stack.enter_context(open_connection("qemu:///embed", run.folder))
        phase("boot")
        spec = spec_of(run)
        other = replace(
            spec, name="other", is_template=False, hardware=hardware.parse("tpm,multipath")
        )
        template = stack.enter_context(boot(connection, run, spec, deadline()))
        stack.enter_context(boot(connection, run, other, deadline()))
        wait_for_letters(template, 2)
        phase("save")
        with suspended([template]):
            checkpoint = save(template, run.scratch / "saved", origin(template.domain), deadline())
        phase("load")
        forks = [
            stack.enter_context(fork(connection, run, checkpoint, "fork", deadline()))
            for _ in range(_FORKS)
        ]
        phase("forks")
        for one in forks:
            wait_for_letters(one, 2)
        phase("leaving")
    phase("gone")


def phase(name: str) -> None:
    print(f"phase {name}", flush=True)


if __name__ == "__main__":
    main()
