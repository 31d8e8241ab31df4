"""The commands about this host: `node-image doctor`, `clean` and `standin`."""

from __future__ import annotations

from pathlib import Path

import click

from harness.commands.output import echo, reported_errors, say
from harness.folders import cache_dir
from harness.model.errors import InputError

_PROBE_S = 60.0


@click.command("doctor")
def examine() -> None:
    """List what this host lacks for boots and builds.

    Exit status 0 if it can boot machines and build the stand-in images, 1 if not.
    """
    from harness import doctor
    from harness.machine.ownership import memory

    with reported_errors():
        checks = doctor.examine(_acceleration, memory.survey().available_bytes // memory.MIB)
        echo(doctor.render(checks))
    if not doctor.is_able(checks):
        raise SystemExit(1)


@click.command()
@click.option("--checkpoints", is_flag=True, help="Remove all kept checkpoints, too.")
def clean(*, checkpoints: bool) -> None:
    """Remove what killed runs of this user left behind.

    Kept checkpoints that have expired go, too. Active runs, and what they use, are not changed.
    """
    from harness.machine.forking.store import Store
    from harness.machine.ownership.sweep import sweep

    with reported_errors():
        store = Store.of_user(echo)
        gone = store.clear() if checkpoints else store.expire()
        for line in (*sweep(), *gone) or ("nothing to remove",):
            echo(line)


@click.group()
def standin() -> None:
    """Build and find the stand-in images."""


@standin.command("build")
@click.option("--rebuild", is_flag=True, help="Build even if they are cached.")
def build_standin(*, rebuild: bool) -> None:
    """Build the stand-in images unless they are cached. Print their folder."""
    from harness.model.clock import Deadline
    from harness.standin import build

    with reported_errors():
        found = build.ensure(Deadline.after(build.LIMIT_S), say, rebuild=rebuild)
        echo(found.folder)


@standin.command("path")
def standin_path() -> None:
    """Print the folder of the newest stand-in images. Build nothing."""
    with reported_errors():
        echo(_newest_standin())


def _newest_standin() -> Path:
    builds = [path.parent for path in (cache_dir() / "standin").glob("*/version")]
    if not builds:
        raise InputError("stand-in images", "not built", "Run `node-image standin build`.")
    return max(builds, key=lambda path: path.stat().st_mtime)


def _acceleration() -> str:
    from harness.machine import acceleration
    from harness.machine.domain.emulator import find_emulator
    from harness.model.clock import Deadline

    found = acceleration.probe(find_emulator(), Deadline.after(_PROBE_S))
    return f"{found.kind} ({found.reason})"
