"""What the commands for nodes have in common: a command after `--`, ports, statuses of errors."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

import click

from harness.commands import output
from harness.model.errors import InputError

if TYPE_CHECKING:
    from harness.node.shell import LocalForward

NOT_RUN = 255
"""As ssh does it: nothing was run in the node."""


class _NotRun(click.ClickException):
    exit_code = NOT_RUN


class WithCommand(click.Command):
    """Takes all words after `--` as the argument `command`, and no word before it."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the words before `--`, and put those after it aside."""
        at = args.index("--") if "--" in args else len(args)
        head, command = args[:at], tuple(args[at + 1 :])
        left = super().parse_args(ctx, head)
        if ctx.params.get("command"):
            word, remedy = ctx.params["command"][0], "Write -- before a command."
            raise click.UsageError(str(InputError(word, "not an argument here", remedy)), ctx)
        ctx.params["command"] = command
        return left


forward_option = click.option(
    "-L", "--forward", "forward", metavar="PORT", multiple=True,
    help="Forward this port of 127.0.0.1 to the node's, or HERE:THERE, as long as the shell or "
    "the command runs. May be repeated.",
)  # fmt: skip
command_argument = click.argument(
    "command", nargs=-1, type=click.UNPROCESSED, metavar="[-- COMMAND...]"
)


def forwards_of(texts: tuple[str, ...]) -> tuple[LocalForward, ...]:
    """Return the ports to forward.

    Raises:
        InputError: one is malformed.
    """
    from harness.node.shell import LocalForward

    return tuple(map(LocalForward.from_text, texts))


def runnable() -> AbstractContextManager[None]:
    """Print an error of the harness as one message, and end with `NOT_RUN`."""
    return output.reported_errors(_NotRun)
