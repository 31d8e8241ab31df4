"""Progress lines: on pytest's terminal with the seconds since the start, and in `progress.log`.

An xdist worker has no terminal: its lines go to a temporary file, which the controller follows.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterable
from pathlib import Path

from harness.model.clock import SYSTEM_CLOCK, Clock
from harness.model.escapes import printable
from harness.model.run_folder import PROGRESS

LOG = logging.getLogger(__name__)
_KEPT_BACK = 200


class ProgressLog:
    """Adds lines to `progress.log`, from any thread. They wait until its folder exists."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._waiting = deque[str](maxlen=_KEPT_BACK)
        self._lock = threading.Lock()

    def append(self, line: str) -> None:
        """Add one line; an error is only logged."""
        self._waiting.append(line)
        self.flush()

    def flush(self) -> None:
        """Write the lines that wait, if there is a folder now."""
        with self._lock:
            if self._waiting and self._folder.is_dir():
                _append(self._folder / PROGRESS, self._waiting)
                self._waiting.clear()


class Relay:
    """The file by which workers pass lines to the controller, from before a run's folder exists."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._at = 0

    def append(self, line: str) -> None:
        """Add one line, in a worker; an error is only logged."""
        _append(self._path, (line,))

    def new_lines(self) -> tuple[str, ...]:
        """Return the whole lines that were added since the last call, in the controller."""
        try:
            with self._path.open("rb") as file:
                file.seek(self._at)
                new = file.read()
        except FileNotFoundError:
            return ()
        whole = new[: new.rfind(b"\n") + 1]
        self._at += len(whole)
        return tuple(whole.decode(errors="replace").split("\n")[:-1])


class ProgressReporter:
    """Call it with a line: it goes to the log, and to the terminal if there is one.

    `clean` removes secrets; `begun_s` is when the session began, by `clock`.
    """

    def __init__(
        self,
        outlets: tuple[Callable[[str], None], ...],
        begun_s: float,
        clean: Callable[[str], str] = str,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._outlets = outlets
        self._begun_s = begun_s
        self._clean = clean
        self._clock = clock

    def __call__(self, line: str) -> None:
        """Report one line at once."""
        shown = printable(self._clean(line))
        stamped = f"[{self._clock.monotonic() - self._begun_s:4.0f} s] {shown}"
        LOG.info("%s", stamped)
        for write in self._outlets:
            write(stamped)


def _append(path: Path, lines: Iterable[str]) -> None:
    try:
        # One write in append mode, so that lines of several processes do not mix.
        with path.open("ab", buffering=0) as file:
            file.write("".join(f"{line}\n" for line in lines).encode(errors="replace"))
    except OSError as exc:
        LOG.warning("progress is not written down: %s", exc)
