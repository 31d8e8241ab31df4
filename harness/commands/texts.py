"""The commands that judge texts: `node-image lint-ignition` and `diagnose`."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import click

from harness.commands.output import FILE, echo, say, usable_input

_A_TEXT = "Name a readable text file."


@click.command("lint-ignition")
@click.argument("files", nargs=-1, required=True, type=FILE)
@click.option(
    "--bootimage", metavar="PATH|URL", help="Bootimage to compare with. Default: the stand-in."
)
@click.option(
    "--node-image", metavar="REFERENCE", help="Node image whose packages contain what is missing."
)
@click.option("--all", "counts_all", is_flag=True, help="Count calls after the node layer as well.")
def lint_configs(
    files: tuple[Path, ...], bootimage: str | None, node_image: str | None, *, counts_all: bool
) -> None:
    """List what Ignition configs use but the bootimage lacks.

    FILES are files or pipes, such as /dev/stdin.

    Exit status 0 if nothing is missing before the node layer is in place; 1 if something is; 2 if
    a file or image cannot be used.
    """
    from harness.workplace.lint import lint_ignition

    with usable_input():
        found = lint_ignition(files, (bootimage, node_image), os.environ, say)
        found = replace(found, counts_all=counts_all)
        echo(found.render())
    if found.exit_status:
        raise SystemExit(found.exit_status)


@click.command()
@click.argument("console", type=FILE)
@click.option(
    "--rules",
    multiple=True,
    type=FILE,
    help="Your own rules (TOML). They apply before the shipped ones. May be repeated.",
)
def diagnose(console: Path, rules: tuple[Path, ...]) -> None:
    """Apply the rules of diagnosis to a recorded console.

    CONSOLE is a text file, such as console.txt in the folder of a run, or a pipe, such as
    /dev/stdin.

    Exit status 0 if nothing is fatal; 1 if something is; 2 if a file cannot be used.
    """
    from harness.diagnosis.replay import replay
    from harness.diagnosis.rules import load

    with usable_input():
        found = replay(_text_of(console), load(rules))
        echo(found.render())
    if found.fatal is not None:
        raise SystemExit(1)


def _text_of(path: Path) -> str:
    from harness import regular_file

    limit_bytes = regular_file.MAX_CONSOLE_BYTES
    return regular_file.text_or_pipe(path, _A_TEXT, limit_bytes=limit_bytes, errors="replace")
