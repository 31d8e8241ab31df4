"""The commands `node-image nodes …`, for nodes of `node-image spawn` that are up."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from harness.commands.output import echo, say
from harness.model.errors import InputError
from harness.spawning.arguments import (
    WithCommand,
    command_argument,
    forward_option,
    forwards_of,
    runnable,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.spawning.records import SpawnRun

_NAME = "NAME"


@click.group()
def nodes() -> None:
    """Use and stop the nodes of `node-image spawn`."""


@nodes.command("list")
def list_nodes() -> None:
    """List the nodes that are up, and those that come up."""
    from harness.spawning import records

    with runnable():
        lines = [line for run in records.running() for line in _rows(run)]
    echo("\n".join(lines) or "no nodes; start one with  node-image spawn")


@nodes.command("login", cls=WithCommand)
@click.argument("name", metavar=_NAME)
@command_argument
@forward_option
def log_in(name: str, command: tuple[str, ...], forward: tuple[str, ...]) -> None:
    """Open a shell in a node, or run COMMAND. The node stays.

    Exit status that of the shell or of COMMAND; 255 if nothing could be run.
    """
    from harness.node import shell
    from harness.spawning import records

    with runnable():
        ports = forwards_of(forward)
        shell.require_able(ports)
        login = records.node_named(name, records.running()).login
    raise SystemExit(shell.run(login, command, ports))


@nodes.command("console")
@click.argument("name", metavar=_NAME)
def show_console(name: str) -> None:
    """Show the serial console of a node from power-on, and follow it.

    It ends with the node, or by Ctrl-C. A console takes no input; use `node-image nodes login`.
    """
    from harness.spawning import console, records

    with runnable():
        node = records.node_named(name, records.running())
    console.follow(node, echo)


@nodes.command("copy")
@click.argument("source")
@click.argument("target")
def copy_files(source: str, target: str) -> None:
    """Copy a file or a folder out of a node or into one, as scp does.

    One of SOURCE and TARGET is NAME:PATH. A relative PATH is below the home of core. Files that
    only root may read: node-image nodes login NAME -- sudo cat PATH > FILE

    Exit status that of scp.
    """
    from harness import process
    from harness.node import shell
    from harness.spawning import copying, records

    with runnable():
        shell.require_client("scp")
        status = process.attached(copying.words(source, target, records.running()))
    raise SystemExit(status)


@nodes.command("stop")
@click.argument("names", metavar="NAME...", nargs=-1)
@click.option("--all", "are_all", is_flag=True, help="Stop all nodes of this user.")
def stop_nodes(names: tuple[str, ...], *, are_all: bool) -> None:
    """Stop nodes, together with the other machines of their scenarios.

    Exit status 0 when they are gone.
    """
    from harness.spawning import records, stopping

    with runnable():
        runs = records.running()
        if bool(names) is are_all:
            problem = "names and --all together" if are_all else "no node was named"
            raise InputError("nodes stop", problem, "Name nodes, or use --all.")
        asked = runs if are_all else [records.run_named(name, runs) for name in names]
        for each in dict.fromkeys(asked):
            stopping.stop(each)
            say(f"{each.spawned.name}: stopped")


def _rows(run: SpawnRun) -> Iterator[str]:
    spawned = run.spawned
    begun = f"since {spawned.begun}, evidence in {spawned.evidence}"
    if not spawned.nodes:
        yield f"{spawned.name}: comes up to {spawned.scenario} {spawned.step}, {begun}"
    for node in spawned.nodes:
        yield f"{node.name}: {spawned.scenario} at {spawned.step}, ssh port {node.port}, {begun}"
