"""The process that outlives a killed run just long enough to take its machines down.

`python -m harness.machine.ownership.reaper RUN_FOLDER` waits on its standard input, a pipe from the
owner. A byte is a goodbye; the end of the pipe without one means that the owner died, by whatever
means.
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

# The kernel closes a dying owner's files one after the other: the pipe may go before the lock.
_LOCK_WAIT_S = 20.0
_IGNORED_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def watch(folder: Path, pipe: int, clock: Clock = SYSTEM_CLOCK) -> bool:
    """Block until the owner is gone and return whether the run had to be taken down."""
    if os.read(pipe, 1):
        return False
    try:
        with lock(folder / LOCK, Deadline.after(_LOCK_WAIT_S, clock)):
            demolish(folder)
    except (FileNotFoundError, DeadlineError):
        return False  # another run's sweep was faster, or is at it
    return True


def main(folder: Path) -> None:
    """Watch over `folder` from a process of its own, deaf to the signals that end the owner."""
    # The owner waits for this process; its child is nobody's to end when the owner unwinds.
    if os.fork():
        return
    for number in _IGNORED_SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    watch(folder, sys.stdin.fileno())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
