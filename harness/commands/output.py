"""How a command prints what it found: as text, JSON or Markdown; and how it ends."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import TypeVar

import click

from harness.model.errors import HarnessError

UNUSABLE = 2
"""The status of wrong usage and of input that cannot be used: 1 is a result of the command."""
_Command = TypeVar("_Command", bound=Callable[..., object])


class Output(StrEnum):
    """A form of output."""

    TABLE = "table"
    JSON = "json"
    MARKDOWN = "markdown"


class Unusable(click.ClickException):
    """Ends the command with the status `UNUSABLE`."""

    exit_code = UNUSABLE


def output_option(command: _Command) -> _Command:
    """Add `--output`."""
    choice = click.Choice([str(output) for output in Output])
    option = click.option(
        "--output", type=choice, default=str(Output.TABLE),
        callback=lambda _context, _option, value: Output(value), show_default=True,
        help="Print a table, JSON (docs/contract.schema.json) or Markdown.",
    )  # fmt: skip
    return option(command)


def say(line: str) -> None:
    """Print progress to standard error, apart from the output."""
    click.echo(line, err=True)


@contextmanager
def usable_input() -> Iterator[None]:
    """Print an error of the harness as one message, and end with `UNUSABLE`."""
    try:
        yield
    except HarnessError as exc:
        raise Unusable(str(exc)) from exc
