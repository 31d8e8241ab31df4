"""The folder of a pytest session: its first process chooses it, the first to need it makes it.

Under xdist the controller chooses it and the workers put their machines' folders in it. It also
passes to the controller what only the workers see: see `Tested`. Every process that uses the folder
has a lock on it, so that no other run removes it.
"""

from __future__ import annotations

import fcntl
import json
import logging
import secrets
import shutil
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from harness import atomic, regular_file
from harness.folder_lock import locked
from harness.folders import cache_path
from harness.model.clock import SYSTEM_CLOCK, Clock
from harness.model.errors import InputError
from harness.model.foreign import json_value

if TYPE_CHECKING:
    from harness.model.secrets.redaction import Redactor

LOG = logging.getLogger(__name__)
KEPT_RUNS = 10
"""How many runs stay in the cache folder; a folder of the user keeps all."""
_TESTED = "tested.json"
_TESTED_BYTES = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """What all processes of a session agree on; `begun_s` is of the host's monotonic clock."""

    path: Path
    is_cache: bool
    begun_s: float

    def to_worker(self) -> dict[str, str | bool | float]:
        """Return it as xdist can carry it."""
        return {"path": str(self.path), "is_cache": self.is_cache, "begun_s": self.begun_s}

    @classmethod
    def from_controller(cls, given: Mapping[str, object]) -> Place:
        """Return what `to_worker` gave."""
        begun_s = float(str(given["begun_s"]))
        return cls(
            path=Path(str(given["path"])), is_cache=given["is_cache"] is True, begun_s=begun_s
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Tested:
    """What is under test and where, as names and values; known to the processes with machines."""

    __test__ = False  # pytest: this is no test class

    subject: dict[str, str] = field(default_factory=dict)
    host: dict[str, str] = field(default_factory=dict)


class Artifacts:
    """The session's folder: `path` is known from the start, `folder` makes it.

    `when_made` is called once, after this process has made it or found it made. `authfile` holds
    secrets of the session.
    """

    def __init__(
        self,
        place: Place,
        authfile: Path | None = None,
        when_made: Callable[[], None] = lambda: None,
    ) -> None:
        self.place = place
        self.path = place.path
        self._authfile = authfile
        self.today: date = datetime.now(UTC).date()
        self._when_made = when_made
        self._lock: ExitStack | None = None

    @property
    def folder(self) -> Path:
        """The folder, there and in use until `close`; `last` beside it leads to it.

        In the cache folder only the newest `KEPT_RUNS` stay.

        Raises:
            InputError: it cannot be written.
        """
        if self._lock is None:
            self._take()
        return self.path

    @cached_property
    def redactor(self) -> Redactor:
        """Removes secrets from everything that this process writes or shows."""
        from harness.model.secrets.redaction import Redactor

        redactor = Redactor()
        if self._authfile is not None:
            with suppress(OSError, ValueError):  # reported when a machine needs it
                read = regular_file.read(self._authfile, regular_file.MAX_TEXT_BYTES)
                redactor.add(read.decode())
        return redactor

    @property
    def is_made(self) -> bool:
        """Whether some process of the session has made the folder."""
        return self.path.is_dir()

    def keep_tested(self, tested: Tested) -> None:
        """Write down what is under test, unless another process has; an error is only logged.

        A process that does not know it, such as xdist's controller, writes nothing.

        Raises:
            InputError: the folder cannot be made.
        """
        folder = self.folder
        if not tested.subject or read_tested(folder).subject:
            return
        values = self.redactor.value(asdict(tested))
        try:
            atomic.write(folder / _TESTED, json.dumps(values, indent=1).encode())
        except OSError as exc:
            LOG.warning("what is under test is not written down: %s", exc)

    def close(self) -> None:
        """Release the folder; closing twice is fine."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def _take(self) -> None:
        try:
            is_new = _make(self.place)
            with ExitStack() as stack:
                stack.enter_context(locked(self.path, fcntl.LOCK_SH))
                self._lock = stack.pop_all()
        except OSError as exc:
            problem = f"cannot be written: {exc.strerror}"
            remedy = "Name another folder with --artifacts-dir."
            raise InputError(str(self.path.parent), problem, remedy) from exc
        if is_new and self.place.is_cache:
            _forget_old(self.path.parent)
        self._when_made()


def choose(wanted: Path | None, clock: Clock = SYSTEM_CLOCK, *, in_cache: str = "runs") -> Place:
    """Return the place of a new session below `wanted`, by default below the cache folder."""
    base = (wanted or cache_path() / in_cache).absolute()
    now = datetime.now(UTC)
    name = f"run-{now:%Y%m%dT%H%M%S}-{secrets.token_hex(3)}"
    return Place(path=base / name, is_cache=wanted is None, begun_s=clock.monotonic())


def read_tested(folder: Path) -> Tested:
    """Return what a process kept with `Artifacts.keep_tested`, or an empty value."""
    try:
        values = json_value(regular_file.read_within(folder, (_TESTED,), _TESTED_BYTES))
        return Tested(subject=dict(values["subject"]), host=dict(values["host"]))
    except (OSError, ValueError, LookupError, TypeError):
        return Tested()


def is_in_use(folder: Path) -> bool:
    """Return whether a process that lives uses a run's folder.

    Raises:
        OSError: it cannot be opened.
    """
    try:
        with locked(folder.resolve(), fcntl.LOCK_EX):
            return False
    except BlockingIOError:
        return True


def _make(place: Place) -> bool:
    """Make the folder; return whether this process did."""
    path = place.path
    try:
        # From a folder that the user named CI collects as somebody else.
        path.mkdir(parents=True, mode=0o700 if place.is_cache else 0o755)
    except FileExistsError:
        return False
    with atomic.replacing(path.with_name("last")) as fresh:
        fresh.symlink_to(path.name)
    return True


def _forget_old(base: Path) -> None:
    for old in sorted(base.glob("run-*"), key=_changed_at)[:-KEPT_RUNS]:
        with suppress(OSError), locked(old, fcntl.LOCK_EX):  # in use, or gone meanwhile
            LOG.info("evidence of an old run goes: %s", old)
            shutil.rmtree(old, ignore_errors=True)


def _changed_at(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return 0.0  # another run has just removed it
