"""What is known of the nodes that users keep, in the folder of the run that has their machines.

The folder is private, and gone with the run. A run is asked to end by a file in it, and not by a
signal: a process id means something else in another container.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from harness import atomic, folders
from harness.machine.ownership.sweep import gate, live_runs, private_folder
from harness.model.errors import InputError
from harness.node.login import Login

STOP = "stop"
"""The file that asks a run to end."""
_RECORD = "spawned.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class SpawnedNode:
    """A node that is up: how a user names it and logs in, and the file of its console."""

    name: str
    machine: str
    port: int
    key: str
    known_hosts: str
    console: str

    @property
    def login(self) -> Login:
        """How to log in."""
        return Login(port=self.port, key=Path(self.key), known_hosts=Path(self.known_hosts))


@dataclass(frozen=True, slots=True, kw_only=True)
class Spawned:
    """The nodes of one `spawn`, which has a name of its own; there are none until all are up."""

    name: str
    scenario: str
    step: str
    begun: str
    evidence: str
    nodes: tuple[SpawnedNode, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SpawnRun:
    """A run of `spawn` that lives, with its nodes."""

    folder: Path
    spawned: Spawned

    @property
    def names(self) -> frozenset[str]:
        """The names by which a user can stop it."""
        return frozenset((self.spawned.name, *(node.name for node in self.spawned.nodes)))


def begin(run: Path, spawned: Spawned) -> Spawned:
    """Write the first record of a run; return it with a name that no other run has."""
    with gate(run.parent):
        taken = {name for other in running(run.parent) for name in other.names}
        named = replace(spawned, name=_free(spawned.name, taken))
        write(run, named)
    return named


def write(run: Path, spawned: Spawned) -> None:
    """Write the record of a run, which need not outlast a loss of power."""
    atomic.write(run / _RECORD, msgspec.json.encode(spawned), is_durable=False)


def running(runs: Path | None = None) -> tuple[SpawnRun, ...]:
    """Return the runs of `spawn` that live."""
    root = private_folder(runs or folders.runs_dir())
    found = ((run, _read(run)) for run in live_runs(root))
    return tuple(
        SpawnRun(folder=run, spawned=spawned) for run, spawned in found if spawned is not None
    )


def node_named(name: str, runs: Iterable[SpawnRun]) -> SpawnedNode:
    """Return the node that is up.

    Raises:
        InputError: no node has that name.
    """
    nodes = {node.name: node for each in runs for node in each.spawned.nodes}
    if name not in nodes:
        raise _unknown(name, nodes)
    return nodes[name]


def run_named(name: str, runs: Iterable[SpawnRun]) -> SpawnRun:
    """Return the run that a node is of.

    Raises:
        InputError: no node has that name.
    """
    listed = tuple(runs)
    for each in listed:
        if name in each.names:
            return each
    raise _unknown(name, (name for each in listed for name in each.names))


def _unknown(name: str, known: Iterable[str]) -> InputError:
    names = ", ".join(sorted(known)) or "none"
    problem = f"not a node that is up; there are: {names}"
    return InputError(f"node {name}", problem, "Start one with `node-image spawn`.")


def _read(run: Path) -> Spawned | None:
    try:
        return msgspec.json.decode((run / _RECORD).read_bytes(), type=Spawned)
    except (OSError, msgspec.MsgspecError):  # not of a spawn, or gone meanwhile
        return None


def _free(name: str, taken: Iterable[str]) -> str:
    """Return `name`, or `name-2` and so on, of which no name that is taken begins."""
    number, free = 1, name
    while any(other == free or other.startswith(f"{free}_") for other in taken):
        number += 1
        free = f"{name}-{number}"
    return free
