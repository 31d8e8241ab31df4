"""An empty path, as of a variable that is not set, is one error and never the current folder."""

from __future__ import annotations

from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner

from harness.cli import main
from harness.commands.output import FILE


def path_types(command: click.Command, words: tuple[str, ...] = ()) -> Iterator[tuple[str, object]]:
    """Yield each parameter of a command and those below it that is a path, with its type."""
    for parameter in command.params:
        if isinstance(parameter.type, click.Path):
            yield " ".join((*words, parameter.human_readable_name)), parameter.type
    if isinstance(command, click.Group):
        for name, each in command.commands.items():
            yield from path_types(each, (*words, name))


def test_each_path_of_a_command_refuses_an_empty_one() -> None:
    found = dict(path_types(main))

    assert "report merge made" in found
    assert {name for name, kind in found.items() if kind is not FILE} == set()


@pytest.mark.parametrize(
    ("words", "name"),
    [
        (("report", "merge", "a", "-o", ""), "--output"),
        (("report", "merge", "", "-o", "a"), "FOLDER..."),
        (("compare", "a", ""), "NEW"),
        (("diagnose", "a", "--rules", ""), "--rules"),
        (("streams", ""), "FILE|URL"),
    ],
)
def test_an_empty_path_is_named_with_its_place(words: tuple[str, ...], name: str) -> None:
    done = CliRunner().invoke(main, words)

    assert (done.exit_code, f"Error: {name}: is empty. Name a " in done.output) == (2, True)
