"""How the process that owns nodes learns that it has to end them.

It ends them when the command that started it is gone, however that ended, unless it was let go; and
when somebody asks for it by the file `stop`.
"""

from __future__ import annotations

import os
import select
import signal
import threading
from pathlib import Path

LET_GO = b"d"
"""What the command writes to the pipe if its nodes stay after it."""
_LOOK_S = 0.5


class EndRequests:
    """Watches the pipe from the command, and interrupts this process by SIGTERM, once."""

    def __init__(self, pipe: int) -> None:
        self._pipe = pipe
        self._stop: Path | None = None
        self._lock = threading.Lock()
        self._is_ignored = False
        self._is_let_go = False

    def start(self) -> None:
        """Watch from another thread, as long as the process lives."""
        threading.Thread(target=self._watch, name="node-image-end", daemon=True).start()

    def watch_for(self, stop: Path) -> None:
        """Interrupt as soon as the file `stop` exists, too."""
        self._stop = stop

    def ignore(self) -> None:
        """Interrupt no more: this process is ending its nodes."""
        with self._lock:
            self._is_ignored = True

    def _watch(self) -> None:
        while not self._is_asked():
            pass
        with self._lock:
            if not self._is_ignored:
                os.kill(os.getpid(), signal.SIGTERM)

    def _is_asked(self) -> bool:
        """Wait for a moment, and return whether this process has to end."""
        pipes = [] if self._is_let_go else [self._pipe]
        ready, _, _ = select.select(pipes, [], [], _LOOK_S)
        if ready:
            if os.read(self._pipe, 1) != LET_GO:
                return True
            self._is_let_go = True
            _leave_streams()
        return self._stop is not None and self._stop.exists()


def _leave_streams() -> None:
    """Close the streams to the command, which ends."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (1, 2):
        os.dup2(nowhere, stream)
    os.close(nowhere)
