"""The command `node-image spawn`."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from harness.commands.output import say
from harness.model.errors import InputError
from harness.spawning.arguments import (
    WithCommand,
    command_argument,
    forward_option,
    forwards_of,
    runnable,
)
from harness.workplace.option_table import OPTIONS

if TYPE_CHECKING:
    from harness.node.shell import LocalForward
    from harness.spawning.records import Spawned, SpawnedNode

# Rewriting assertions would warn of modules that are imported already.
_PYTEST = ("-p", "harness.plugin", "-p", "no:cacheprovider", "--capture=no", "--assert=plain")
_TAKEN = tuple(option for option in OPTIONS if not option.for_tests)
(_CHECKPOINTS,) = (option for option in _TAKEN if option.name == "checkpoints")


def _pytest_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options of pytest that matter for a node."""
    for option in reversed(_TAKEN):
        kind: dict[str, Any] = {"is_flag": True}
        if option.metavar:
            kind = {"metavar": option.metavar, "multiple": option.repeatable}
        text = f"{option.help} [{option.variable}]"
        command = click.option(option.flag, option.setting, help=text, **kind)(command)
    return command


@click.command("spawn", cls=WithCommand)
@click.argument("scenario", required=False)
@command_argument
@click.option(
    "--at",
    "step",
    metavar="STEP",
    help="Stop after this step of the scenario, as `node-image scenarios` lists them. "
    "Default: applied, its end.",
)
@click.option("--machine", metavar="NAME", help="Machine to log in to, if there are several.")
@forward_option
@click.option("--fresh", "is_fresh", is_flag=True, help="Boot, and keep no checkpoint.")
@click.option("--detach", "is_detached", is_flag=True, help="Leave the nodes running.")
@_pytest_options
def spawn(
    scenario: str | None,
    command: tuple[str, ...],
    step: str | None,
    machine: str | None,
    forward: tuple[str, ...],
    *,
    is_fresh: bool,
    is_detached: bool,
    **given: object,
) -> None:
    """Bring a node up and open a shell in it, or run COMMAND. The node ends with it.

    SCENARIO is one of `node-image scenarios`, or of the project in this folder. Default:
    ipi_bootstrap. Options, environment and settings are read as by pytest. The user in the node is
    core; use sudo.

    One word of COMMAND is a line for the node's shell; several are a program and its arguments.

    The node goes on from a kept checkpoint in seconds if one fits, as with pytest's --checkpoints.
    Else it boots, and its checkpoint is kept, unless you use --checkpoints run.

    With --detach the nodes stay until `node-image nodes stop`; `node-image nodes` lists them, logs
    in and copies files.

    Exit status 0 after a shell; that of COMMAND; 255 if the node did not come up, or nothing could
    be run in it.
    """  # fmt: skip
    from harness.node import shell
    from harness.spawning import client
    from harness.spawning.order import Order

    with runnable():
        ports = forwards_of(forward)
        if is_detached:
            _require_nothing_to_run(ports, command)
        shell.require_able(ports)
        order = Order(
            arguments=(*_PYTEST, *_words(given, is_fresh=is_fresh)), scenario=scenario or "",
            step=step or "", machine=machine or "",
        )  # fmt: skip
        with client.started(order, say) as owner:
            spawned = owner.wait_until_up()
            if is_detached:
                owner.let_go()
                _show(spawned)
                return
            node = _node(spawned, machine)
            say(f"{node.name}: log in with  {node.login.command}")
            status = shell.run(node.login, command, ports)
    if command or status == shell.SSH_FAILED:
        raise SystemExit(status)


def _require_nothing_to_run(ports: Sequence[LocalForward], command: Sequence[str]) -> None:
    if ports or command:
        what = "--forward" if ports else "COMMAND"
        remedy = "Remove one of them, or use `node-image nodes login` afterwards."
        raise InputError("--detach", f"cannot be used with {what}", remedy)


def _words(given: Mapping[str, object], *, is_fresh: bool) -> Iterator[str]:
    """Yield the options that were given, as pytest takes them; checkpoints are kept by default."""
    is_default = not given[_CHECKPOINTS.setting] and not os.environ.get(_CHECKPOINTS.variable)
    if is_default and not is_fresh:
        yield f"{_CHECKPOINTS.flag}=keep"
    if is_fresh:
        yield "--fresh"
    for option in _TAKEN:
        value = given[option.setting]
        if value is True:
            yield option.flag
        elif value:
            texts = value if isinstance(value, tuple) else (value,)
            yield from (f"{option.flag}={text}" for text in texts)


def _node(spawned: Spawned, machine: str | None) -> SpawnedNode:
    return next(node for node in spawned.nodes if machine in (None, node.machine))


def _show(spawned: Spawned) -> None:
    for node in spawned.nodes:
        say(f"{node.name}: log in with  node-image nodes login {node.name}")
    say(f"{spawned.name}: stays until  node-image nodes stop {spawned.name}")
