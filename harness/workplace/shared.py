"""What the workers of one run share, so that each scenario boots once: a registry and checkpoints.

The process that gives out the tests opens both, in a run of its own, which lasts longer than every
worker. Guests know the registry by its port and its CA, so a checkpoint of one worker is of use to
the others only with the same one.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote

from harness import atomic
from harness.images.container.registry import Registry
from harness.machine.forking.store import Store
from harness.machine.guest_memory import new_file
from harness.machine.ownership.run import begin_run
from harness.model.clock import Deadline
from harness.model.drawn import Drawing
from harness.model.foreign import json_value
from harness.model.secret import Secret
from harness.workplace.options import Settings
from harness.workplace.registry import served_again

_SERVE_S = 60.0
_RUN, _SERVICES, _CHECKPOINTS = "run", "services.json", "checkpoints"
_FORKED, _USABLE = "forked-tests", "usable-"


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """The registry of a run with what was drawn for it, and the folder of its checkpoints."""

    registry: Registry
    drawn: tuple[Drawing, ...]
    checkpoints: Path


class Share:
    """A private folder by which the processes of one run know of each other."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @contextmanager
    def serving(self, settings: Settings, report: Callable[[str], None]) -> Iterator[None]:
        """Context manager that runs the services of a run.

        If the process is killed, they end, and checkpoints that are the run's own are removed.

        Raises:
            MissingProgramError: no registry is installed.
            RigError: the registry ended by itself, or no port is free.
            DeadlineError: it did not answer in time.
        """
        with begin_run() as run:
            store = _store(settings, run.scratch, report)
            served = served_again(
                run, store, settings.scenarios, Deadline.after(_SERVE_S), report
            )  # fmt: skip
            with store, served as (registry, drawn):
                found = Services(registry=registry, drawn=drawn, checkpoints=store.root)
                _write(found, run.folder / _SERVICES)
                link = self._folder / _RUN
                link.symlink_to(run.folder)
                try:
                    yield
                finally:
                    link.unlink()

    def services(self) -> Services | None:
        """Return the services of the run, None if each process has its own."""
        path = self._folder / _RUN / _SERVICES
        return _read(path) if path.exists() else None

    def note_forked(self, tests: Iterable[str]) -> None:
        """Note the collected tests that need nothing of a scenario but forks, by their ids."""
        text = "\0".join(tests).encode(errors="surrogateescape")
        atomic.write(self._folder / _FORKED, text, is_durable=False)

    def forked(self) -> frozenset[str]:
        """Return the tests that were noted."""
        path = self._folder / _FORKED
        text = path.read_bytes().decode(errors="surrogateescape") if path.exists() else ""
        return frozenset(filter(None, text.split("\0")))

    def note_usable(self, scenario: str) -> None:
        """Note that all workers can fork the machines of a scenario."""
        (self._folder / f"{_USABLE}{quote(scenario, safe='')}").touch()

    def usable(self) -> frozenset[str]:
        """Return the scenarios whose machines all workers can fork."""
        found = self._folder.glob(f"{_USABLE}*")
        return frozenset(unquote(path.name.removeprefix(_USABLE)) for path in found)


def _store(settings: Settings, scratch: Path, report: Callable[[str], None]) -> Store:
    if settings.checkpoints.outlive_runs:
        return Store.of_user(report)
    return Store(scratch / _CHECKPOINTS, report)


def _write(services: Services, path: Path) -> None:
    registry = services.registry
    known = {
        "port": registry.port, "ca": registry.ca_pem, "folder": str(registry.folder),
        "drawn": [(what, secret.reveal()) for what, secret in services.drawn],
        "checkpoints": str(services.checkpoints),
    }  # fmt: skip
    with new_file(path) as file:
        file.write(json.dumps(known).encode())


def _read(path: Path) -> Services:
    known = json_value(path.read_bytes())
    registry = Registry(port=known["port"], ca_pem=known["ca"], folder=Path(known["folder"]))
    return Services(
        registry=registry, checkpoints=Path(known["checkpoints"]),
        drawn=tuple((what, Secret(text)) for what, text in known["drawn"]),
    )  # fmt: skip
