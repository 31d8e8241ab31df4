"""The process that takes the machines of a killed run down.

`python -m harness.machine.ownership.reaper RUN_FOLDER` waits on its standard input, a pipe from the
owner. A byte means that the owner took them down; the end of the pipe without one, that it died.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from harness.machine.ownership.locks import lock
from harness.machine.ownership.remains import LOCK, demolish
from harness.model.clock import SYSTEM_CLOCK, Clock, Deadline
from harness.model.errors import DeadlineError

# The kernel closes a dying owner's files one by one: the pipe may end before the lock.
_LOCK_WAIT_S = 20.0
_IGNORED_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def watch(folder: Path, pipe: int, clock: Clock = SYSTEM_CLOCK) -> bool:
    """Wait for the owner's end and return whether the run had to be taken down."""
    if os.read(pipe, 1):
        return False
    try:
        with lock(folder / LOCK, Deadline.after(_LOCK_WAIT_S, clock)):
            demolish(folder)
    except (FileNotFoundError, DeadlineError):
        return False  # another run's sweep does it
    return True


def main(folder: Path) -> None:
    """Watch `folder` in a separate process, which ignores the signals that end the owner."""
    # The owner waits for this process and ends it; the child stays.
    if os.fork():
        return
    for number in _IGNORED_SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    watch(folder, sys.stdin.fileno())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
