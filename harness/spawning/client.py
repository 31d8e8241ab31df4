"""Starts the process that owns nodes, shows what it reports, and ends it."""

from __future__ import annotations

import os
import select
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

import msgspec

from harness import process
from harness.model.clock import Deadline
from harness.model.errors import DeadlineError, HarnessError, RigError
from harness.spawning.end_requests import LET_GO
from harness.spawning.messages import Ended, Message, Up, received
from harness.spawning.order import Order
from harness.spawning.records import Spawned

_PACKAGE_ROOT = Path(__file__).parents[2]
_START_S = 60.0
_END_S = 120.0
_CHUNK_BYTES = 1 << 16


class OwnerProcess:
    """The process that owns nodes, as the command sees it."""

    def __init__(self, output: BinaryIO, pipe: BinaryIO, report: Callable[[str], None]) -> None:
        self._output = output
        self._pipe = pipe
        self._report = report
        self._lines = deque[bytes]()
        self._rest = b""
        self._is_over = False

    def wait_until_up(self) -> Spawned:
        """Show what it reports until all nodes are up. The limits of the scenario's steps bound it.

        Raises:
            HarnessError: they did not come up.
        """
        while True:
            match self._next_message():
                case Up(spawned=spawned):
                    return spawned
                case Ended(error=error):
                    raise HarnessError(error or "the nodes were stopped before they were up")

    def let_go(self) -> None:
        """Leave it alone with its nodes, from now on.

        Raises:
            RigError: it has ended.
        """
        try:
            self._pipe.write(LET_GO)
        except BrokenPipeError as exc:
            raise self._killed() from exc
        self._is_over = True  # for this command

    def end(self) -> None:
        """Show what it reports until all nodes are gone.

        Raises:
            HarnessError: they ended by themselves, because of a problem.
            DeadlineError: they do not end.
        """
        self._pipe.close()
        limit = Deadline.after(_END_S)
        while not self._is_over:
            # One that came up meanwhile is of no use.
            if isinstance(ended := self._next_message(limit), Ended) and ended.error:
                raise HarnessError(ended.error)

    def show_rest(self) -> None:
        """Show what it wrote before its end."""
        while (line := self._next_line(Deadline.after(_END_S))) is not None:
            self._report(line)

    def _next_message(self, limit: Deadline | None = None) -> Message:
        while (line := self._next_line(limit)) is not None:
            message = received(line)
            if not isinstance(message, str):
                self._is_over = isinstance(message, Ended)
                return message
            self._report(message)
        raise self._killed()

    def _next_line(self, limit: Deadline | None) -> str | None:
        """Return the next line, None at the end. An interrupt loses nothing of it.

        Raises:
            DeadlineError: none came in time.
        """
        while not self._lines:
            left_s = limit.remaining_s if limit else None
            ready, _, _ = select.select([self._output], [], [], left_s)
            if not ready:
                remedy = "Look at `node-image nodes list`."
                raise DeadlineError("end of the nodes", _END_S, "their process still runs", remedy)
            new = self._output.read(_CHUNK_BYTES)
            *whole, self._rest = (self._rest + new).split(b"\n")
            self._lines.extend(whole)
            if not new:
                return None
        return self._lines.popleft().decode(errors="replace")

    def _killed(self) -> RigError:
        self._is_over = True
        remedy = "Look at the lines above; `node-image clean` removes what is left."
        return RigError("nodes", "the process that owns them was killed", remedy)


@contextmanager
def started(order: Order, report: Callable[[str], None]) -> Iterator[OwnerProcess]:
    """Context manager that starts the process; on leaving, its nodes are gone unless let go.

    However this process ends, the other one notices, and ends its nodes.

    Raises:
        RigError: it cannot be started.
    """
    stdin, kept = os.pipe()
    output, stdout = os.pipe()
    with os.fdopen(kept, "wb", buffering=0) as pipe, os.fdopen(output, "rb", buffering=0) as out:
        owner = OwnerProcess(out, pipe, report)
        try:
            status = _start(order, stdin, stdout)
        finally:
            os.close(stdin)
            os.close(stdout)
        if status != 0:
            owner.show_rest()
            remedy = "Check the limits of this user and the disk space."
            raise RigError("process for the nodes", f"ended with status {status}", remedy)
        try:
            yield owner
        except BaseException:
            with suppress(HarnessError):  # the first one counts
                owner.end()
            raise
        owner.end()


def _start(order: Order, stdin: int, stdout: int) -> int:
    """Start the process, and return the status of its starter, which ends at once."""
    path = os.pathsep.join(filter(None, (str(_PACKAGE_ROOT), os.environ.get("PYTHONPATH"))))
    # -P: the user's working folder may have a folder called harness.
    program = (sys.executable, "-P", "-m", "harness.spawning.owner")
    with process.start(
        (*program, msgspec.json.encode(order).decode()),
        env={"PYTHONPATH": path}, stdin=stdin, stdout=stdout, stderr=stdout,
    ) as starter:  # fmt: skip
        try:
            return starter.wait(timeout=_START_S)
        except subprocess.TimeoutExpired as exc:
            reason = "still starting"
            raise DeadlineError("start of the process for the nodes", _START_S, reason) from exc
