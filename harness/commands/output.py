"""How a command prints what it found: as text, JSON or Markdown; and how it ends."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from harness.model.errors import HarnessError, InputError
from harness.model.escapes import printable

if TYPE_CHECKING:
    from harness.contract.document import Document
    from harness.contract.sheet import Section

UNUSABLE = 2
"""The status of wrong usage and of input that cannot be used: 1 is a result of the command."""
_Command = TypeVar("_Command", bound=Callable[..., object])


class Output(StrEnum):
    """A form of output."""

    TABLE = "table"
    JSON = "json"
    MARKDOWN = "markdown"


class _File(click.Path):
    """A path. An empty one, as from a variable that is not set, is not the current folder."""

    def convert(
        self,
        value: str | os.PathLike[str],
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> str | bytes | os.PathLike[str]:
        """Return the path.

        Raises:
            Unusable: it is empty.
        """
        if param is not None and not os.fspath(value):
            _require_filled(param, "")
        return super().convert(value, param, ctx)


FILE = _File(path_type=Path)


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


def filled(
    _context: click.Context, option: click.Parameter, value: str | tuple[str, ...]
) -> str | tuple[str, ...]:
    """Return the value of an option, as its callback.

    Raises:
        Unusable: it is empty.
    """
    _require_filled(option, *((value,) if isinstance(value, str) else value))
    return value


def _require_filled(parameter: click.Parameter, *values: str) -> None:
    with usable_input():
        if all(value.strip() for value in values):
            return
        if isinstance(parameter, click.Option):
            name = max(parameter.opts, key=len)
            raise InputError(name, "is empty", f"Name a value with {name}.")
        raise InputError(parameter.human_readable_name, "is empty", "Name a file or a folder.")


def echo(text: object, *, err: bool = False, nl: bool = True) -> None:
    """Print text that may quote images, servers or files, without what a terminal would obey."""
    click.echo(printable(str(text)), err=err, nl=nl)


def say(line: str) -> None:
    """Print progress to standard error, apart from the output."""
    echo(line, err=True)


def rendered(found: Document, sections: Iterable[Section], output: Output) -> str:
    """Return what a command found in the form that was asked for."""
    from harness.contract.document import json_text
    from harness.contract.sheet import markdown_of, text_of

    match output:
        case Output.JSON:
            return json_text(found)
        case Output.MARKDOWN:
            return markdown_of(sections)
        case Output.TABLE:
            return text_of(sections)


@contextmanager
def reported_errors(kind: type[click.ClickException] = click.ClickException) -> Iterator[None]:
    """Print an error of the harness as one message; end with the status of `kind`, by default 1."""
    try:
        yield
    except HarnessError as exc:
        raise kind(str(exc)) from exc
    except OSError as exc:
        if exc.filename is None:  # not of a file: a pipe that nobody reads
            raise
        name = os.fsdecode(exc.filename) if isinstance(exc.filename, str | bytes) else "a file"
        problem = f"cannot be used: {exc.strerror}"
        raise kind(str(InputError(name, problem, "Check the path and its permissions."))) from exc


def usable_input() -> AbstractContextManager[None]:
    """Print an error of the harness as one message, and end with `UNUSABLE`."""
    return reported_errors(Unusable)
