"""The registry of a run that keeps checkpoints: guests of kept ones know its port and its CA."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager

from harness.images.container.registry import Registry, serve
from harness.machine.forking.store import Store
from harness.machine.ownership.ports import reserve_port
from harness.machine.ownership.run import Run
from harness.model.clock import Deadline
from harness.model.drawn import Drawing, Drawn, drawing
from harness.model.errors import RigError
from harness.model.secret import Secret
from harness.player.keeping import registry_of

_PORT = "port"


@contextmanager
def served_again(
    run: Run,
    store: Store,
    scenarios: Collection[str],
    deadline: Deadline,
    report: Callable[[str], None],
) -> Iterator[tuple[Registry, tuple[Drawing, ...]]]:
    """Context manager that serves the registry of the newest kept checkpoint again, if it can.

    It yields the registry and what was drawn for it. One of `scenarios` is preferred. If another
    program has its port, that is reported, and the registry is one that no kept guest knows.

    Raises:
        MissingProgramError: no registry is installed.
        RigError: it ended by itself, or no port is free.
        DeadlineError: it did not answer in time.
    """
    known = _known(store, scenarios)
    drawn = Drawn(each for each in known if each[0] != _PORT)
    with ExitStack() as stack:
        ports = _Ports(stack, run, known, report)
        with drawing(drawn):
            registry = stack.enter_context(serve(run.folder, deadline, ports.choose))
        yield registry, ((_PORT, Secret(str(registry.port))), *drawn.all)


class _Ports:
    """Chooses a port for a registry: first the known one."""

    def __init__(
        self, stack: ExitStack, run: Run, known: tuple[Drawing, ...], report: Callable[[str], None]
    ) -> None:
        self._stack = stack
        self._locks = run.port_locks
        self._wanted = [int(text.reveal()) for what, text in known if what == _PORT]
        self._report = report

    def choose(self) -> int:
        """Return a port that no other run uses until the registry ends.

        Raises:
            RigError: none is free.
        """
        while self._wanted:
            port = self._wanted.pop()
            try:
                reserved = reserve_port(self._locks, range(port, port + 1))
                return self._stack.enter_context(reserved)
            except RigError:
                problem = "another program has the port of their registry"
                self._report(f"kept checkpoints are not used: {problem}, {port}")
        return self._stack.enter_context(reserve_port(self._locks))


def _known(store: Store, scenarios: Collection[str]) -> tuple[Drawing, ...]:
    entries = store.entries()
    wanted = [kept for kept in entries if kept.scenario in scenarios]
    newest = next(iter((*wanted, *entries)), None)
    return registry_of(newest) if newest else ()
