"""The registry of a run that keeps checkpoints: guests of kept ones know its port and its CA."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import ExitStack, contextmanager

from harness.images.container.registry import Registry, serve
from harness.machine.forking.store import Store
from harness.machine.ownership.ports import PORTS, reserve_port
from harness.machine.ownership.run import Run
from harness.model.clock import Deadline
from harness.model.drawn import Drawing, Drawn, drawing
from harness.model.errors import RigError
from harness.model.secret import Secret
from harness.player.keeping import registry_of

_PORT = "port"
_PORT_TEXT = re.compile("[0-9]{1,5}")
_MAX_PORT = 65535


@contextmanager
def served_again(
    run: Run,
    store: Store,
    scenarios: Collection[str],
    deadline: Deadline,
    report: Callable[[str], None],
) -> Iterator[tuple[Registry, tuple[Drawing, ...]]]:
    """Context manager that serves the registry of a kept checkpoint again, if it can.

    It yields the registry and what was drawn for it. The newest checkpoint whose port is free is
    taken, one of `scenarios` if possible: runs at the same time have a registry each, and so the
    checkpoints of one each. If no port is free, that is reported, and no kept guest knows the
    registry.

    Raises:
        MissingProgramError: no registry is installed.
        RigError: it ended by itself, or no port is free.
        DeadlineError: it did not answer in time.
    """
    with ExitStack() as stack:
        ports = _Ports(stack, run)
        known = ports.first_free(_known(store, scenarios))
        if known is None:
            report("no kept checkpoint is used: other programs have the ports of their registries")
        drawn = Drawn(each for each in known or () if each[0] != _PORT)
        with drawing(drawn):
            registry = stack.enter_context(serve(run.folder, deadline, ports.choose))
        yield registry, ((_PORT, Secret(str(registry.port))), *drawn.all)


class _Ports:
    """Chooses a port for a registry: first one that guests know."""

    def __init__(self, stack: ExitStack, run: Run) -> None:
        self._stack = stack
        self._locks = run.port_locks
        self._wanted: list[int] = []

    def first_free(self, known: Iterable[tuple[Drawing, ...]]) -> tuple[Drawing, ...] | None:
        """Reserve the first known port that is free, and return all that belongs to it.

        Nothing is known: empty. No port is free: None.
        """
        found: tuple[Drawing, ...] | None = ()
        for drawings in known:
            if (port := _port_of(drawings)) is None:
                continue
            try:
                self._reserve(range(port, port + 1))
            except RigError:
                found = None
                continue
            self._wanted.append(port)
            return drawings
        return found

    def choose(self) -> int:
        """Return a port that no other run uses until the registry ends.

        Raises:
            RigError: none is free.
        """
        return self._wanted.pop() if self._wanted else self._reserve(PORTS)

    def _reserve(self, candidates: range) -> int:
        return self._stack.enter_context(reserve_port(self._locks, candidates))


def _port_of(drawings: tuple[Drawing, ...]) -> int | None:
    """Return the port of a registry, None if a checkpoint has none that there can be."""
    text = next((text.reveal() for what, text in drawings if what == _PORT), "")
    return int(text) if _PORT_TEXT.fullmatch(text) and int(text) <= _MAX_PORT else None


def _known(store: Store, scenarios: Collection[str]) -> Iterable[tuple[Drawing, ...]]:
    """Return what was drawn for the registries of kept checkpoints, each once."""
    entries = sorted(store.entries(), key=lambda kept: kept.scenario not in scenarios)
    return dict.fromkeys(drawings for kept in entries if (drawings := registry_of(kept)))
