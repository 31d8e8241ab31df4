"""The references of options and commands in the docs, made from what declares them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click
from goldens import Golden

from harness.cli import main
from harness.workplace.option_table import OPTIONS
from harness.workplace.places import Option

DOCS = Path(__file__).parents[2] / "docs"
OPTIONS_HEAD = "| option | environment, setting | meaning |\n|---|---|---|\n"


def test_reference_of_options_is_current(golden: Golden) -> None:
    golden.part(DOCS / "options.md", OPTIONS_HEAD + "".join(map(option_row, OPTIONS)))


def test_reference_of_commands_is_current(golden: Golden) -> None:
    context = click.Context(main, info_name="node-image")

    golden.part(DOCS / "commands.md", "\n".join(sections(context)))


def option_row(option: Option) -> str:
    given = f"{option.flag} {option.metavar}" if option.metavar else option.flag
    names = f"`{option.variable}`<br>`{option.setting}`"
    return "| " + " | ".join(cell(text) for text in (f"`{given}`", names, option.help)) + " |\n"


def cell(text: str) -> str:
    return text.replace("|", r"\|")


def sections(context: click.Context) -> Iterator[str]:
    """Yield a section for the command itself and one for each that is not a group of others."""
    command = context.command
    if not isinstance(command, click.Group):
        yield section(context)
        return
    if context.parent is None:
        yield section(context)
    for name in command.list_commands(context):
        yield from sections(click.Context(command.commands[name], info_name=name, parent=context))


def section(context: click.Context) -> str:
    command = context.command
    # Arguments are in the usage; newer versions of click list them here too, without a text.
    records = (
        param.get_help_record(context)
        for param in command.params
        if isinstance(param, click.Option)
    )
    options = "".join(f"- `{names}`: {text}\n" for names, text in filter(None, records))
    usage = " ".join(command.collect_usage_pieces(context))
    return (
        f"## `{context.command_path}`\n\n    {context.command_path} {usage}\n\n{text_of(command)}\n"
        + (f"\n{options}" if options else "")
    )


def text_of(command: click.Command) -> str:
    """Return a command's help in paragraphs of one line each."""
    paragraphs = (command.help or "").split("\n\n")
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs).replace("<", r"\<")
