"""Files out of nodes and into them."""

from __future__ import annotations

from collections.abc import Iterable

from harness.model.errors import InputError
from harness.node.login import Login
from harness.spawning.records import SpawnRun, node_named


def words(source: str, target: str, runs: Iterable[SpawnRun]) -> tuple[str, ...]:
    """Return the words of the program that copies `source` to `target`.

    Raises:
        InputError: not exactly one of them is in a node that is up.
    """
    sides = [_split(source), _split(target)]
    names = [name for name, _ in sides if name]
    if len(names) != 1:
        problem = "both are in nodes" if names else "neither is in a node"
        remedy = "Write one of them as NAME:PATH; a file here that has a colon as ./FILE."
        raise InputError(f"{source} {target}", problem, remedy)
    login = node_named(names[0], runs).login
    return login.scp("--", *(_path(name, path, login) for name, path in sides))


def _split(text: str) -> tuple[str, str]:
    """Return the node's name, empty for a file here, and the path."""
    name, colon, path = text.partition(":")
    return (name, path) if colon and name and "/" not in name else ("", text)


def _path(name: str, path: str, login: Login) -> str:
    if name:
        return f"{login.target}:{path}"
    # scp takes a colon before the first slash for the end of a host's name.
    return path if path.startswith(("/", "./")) else f"./{path}"
