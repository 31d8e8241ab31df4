"""Checks command lines of the docs with the parsers of the programs that they start."""

from __future__ import annotations

import argparse
import configparser
import re
import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path

import click
import pytest

from harness.cli import main
from harness.machine.domain import hardware
from harness.model.errors import InputError
from harness.player.given import Given
from harness.player.steps import step_names
from harness.scenarios.catalogue import EVERY_SCENARIO, Catalogue

ROOT = Path(__file__).parents[2]
Parse = Callable[[Sequence[str]], tuple[argparse.Namespace, list[str]]]
_COMMENT = re.compile(r"\s#\s.*$")
_MAY_BE_LEFT_OUT = re.compile(r"\[(--[^\]]*)\]")
_SEPARATORS = {"&&", ";", "|", "(", ")"}
_FOREIGN_SCENARIOS = {"NAME", "widget_node"}
"""A placeholder, and the scenario that a guide writes."""


class Checker:
    """Yields what is wrong in command lines; `parse` is pytest's own parser."""

    def __init__(self, parse: Parse) -> None:
        self._parse = parse
        self._tox = configparser.ConfigParser(interpolation=None)
        self._tox.read(ROOT / "tox.ini")

    def faults(self, line: str) -> Iterator[str]:
        """Yield the faults of all programs in a shell's line."""
        for words in _programs(line):
            match words:
                case ["pytest", *given]:
                    yield from self._of_pytest(given)
                case ["node-image", *given]:
                    yield from _of_node_image(given)
                case ["tox", *given] | ["python3", ".ci/tox", *given]:
                    yield from self._of_tox(given)
                case ["python", "-m", "harness.host", *given]:
                    yield from _unknown(given, {"install", "--dry-run", "--all"})

    def knows_option(self, option: str) -> bool:
        """Return whether pytest or `node-image` has an option."""
        return not [*self._of_pytest([option])] or option in _click_options(main)

    def _of_pytest(self, given: Sequence[str]) -> Iterator[str]:
        try:
            found, unknown = self._parse(given)
        except pytest.UsageError as exc:
            if len(given) > 1:
                yield str(exc)
            return
        yield from (f"pytest has no option {word}" for word in unknown)
        yield from _values(found)

    def _of_tox(self, given: Sequence[str]) -> Iterator[str]:
        own, _, posargs = (list(part) for part in _partition(given, "--"))
        command = own.pop(0) if own and not own[0].startswith("-") else "run"
        if command not in ("run", "devenv"):
            yield f"tox has no command {command}"
        if own and (len(own) < 2 or own[0] != "-e"):
            yield f"tox without -e NAME: {shlex.join(own)}"
            return
        for name in own[1].split(",") if own else ():
            section = f"testenv:{name}"
            if section in self._tox:
                yield from self._of_environment(self._tox[section].get("commands", ""), posargs)
            elif name != "py":
                yield f"tox.ini has no environment {name}"

    def _of_environment(self, commands: str, posargs: Sequence[str]) -> Iterator[str]:
        for command in commands.splitlines():
            if "{posargs}" in command:
                yield from self.faults(command.replace("{posargs}", shlex.join(posargs)))


def _programs(line: str) -> Iterator[list[str]]:
    """Yield the words of each program that a shell's line starts."""
    text = _MAY_BE_LEFT_OUT.sub(r"\1", _COMMENT.sub("", line))
    lexer = shlex.shlex(text, posix=True, punctuation_chars="();&")
    lexer.whitespace_split, lexer.commenters = True, ""
    for is_separator, words in groupby(lexer, lambda word: word in _SEPARATORS):
        if not is_separator:
            yield list(words)


def _partition(words: Sequence[str], at: str) -> Iterator[Sequence[str]]:
    index = words.index(at) if at in words else len(words)
    yield from (words[:index], words[index : index + 1], words[index + 1 :])


def _unknown(given: Iterable[str], known: set[str]) -> Iterator[str]:
    yield from (f"unknown argument {word}" for word in given if word not in known)


def _values(found: argparse.Namespace) -> Iterator[str]:
    """Yield the values that no run would accept."""
    catalogue = Catalogue()
    named = found.node_image_scenario or ["ipi_bootstrap"]
    known = {*catalogue.names, EVERY_SCENARIO, *_FOREIGN_SCENARIOS}
    yield from (f"unknown scenario {name}" for name in named if name not in known)
    for name in {*named} & {*catalogue.names}:
        steps = step_names(catalogue.named(name).steps(Given(has_control_plane=True)))
        if found.node_image_until not in (None, "STEP", *steps):
            yield f"scenario {name} has no step {found.node_image_until}"
    try:
        hardware.parse(found.node_image_hardware or "")
    except InputError as exc:
        yield exc.problem


def _of_node_image(given: Sequence[str]) -> Iterator[str]:
    """Yield the faults; a command without words is only named, and may lack them."""
    command: click.Command = main
    rest = list(given)
    try:
        while isinstance(command, click.Group) and rest:
            _, found, rest = command.resolve_command(click.Context(command), rest)
            assert found is not None
            command = found
        context = click.Context(command)
        values, left, _ = command.make_parser(context).parse_args([*rest])
    except click.UsageError as exc:
        yield exc.format_message()
        return
    yield from (f"{command.name} takes no argument {word}" for word in left)
    words = _words(command)
    is_whole = any(_is_given(values, each) for each in words) or not words
    for parameter in command.params if is_whole else ():
        if rest and parameter.required and not _is_given(values, parameter):
            yield f"{command.name} without {parameter.human_readable_name}"


def _words(command: click.Command) -> list[click.Parameter]:
    return [each for each in command.params if isinstance(each, click.Argument)]


def _is_given(values: Mapping[str, object], parameter: click.Parameter) -> bool:
    # Newer versions of click have a value of their own for what was not given.
    value = values.get(parameter.name or "")
    return isinstance(value, str | tuple | list) and bool(value)


def _click_options(command: click.Command) -> set[str]:
    inner = command.commands.values() if isinstance(command, click.Group) else ()
    own = {name for parameter in command.params for name in parameter.opts}
    return own.union(*map(_click_options, inner)) | {"--version"}
