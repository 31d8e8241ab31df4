"""The one SSH connection into a booted guest: run commands, read files, detect a reboot.

A connection that drops is an error; the command is never run again. `dial.py` opens connections.
"""

from __future__ import annotations

import logging
import select
import shlex
import threading
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self

import paramiko

from harness.model.clock import Deadline, NotYet, wait_for
from harness.model.errors import DeadlineError, RigError, reason_of
from harness.node.dial import Endpoint, StillAlive, dial, dial_until

LOG = logging.getLogger(__name__)

_CHUNK_BYTES = 1 << 16
_LOOK_S = 0.5
_BOOT_ID_S = 30.0
_QUOTED_CHARS = 2000
_OUTPUT_LIMIT_BYTES = 16 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """A guest command that ended: exit status and output as text."""

    status: int
    stdout: str
    stderr: str


class Shell(Protocol):
    """What runs commands in a guest: a `Session`, or a fake that replays answers."""

    def run(
        self, command: str, deadline: Deadline, *, check: bool = False, sudo: bool = True
    ) -> Result:
        """Run a shell command to its end."""


class ConnectionLostError(RigError):
    """The connection ended during a command; how far the command came is unknown."""

    def __init__(self, endpoint: Endpoint, command: str, problem: str) -> None:
        super().__init__(
            str(endpoint), f"{problem} (command: {command})",
            "Look at the console of the machine in the run's artifacts.",
        )  # fmt: skip
        self.command = command


class GuestCommandError(RigError):
    """A guest command that has to succeed failed; `result` has its status and output."""

    def __init__(self, endpoint: Endpoint, command: str, result: Result) -> None:
        output = (result.stderr.strip() or result.stdout.strip())[-_QUOTED_CHARS:]
        super().__init__(
            str(endpoint), f"{command} exited {result.status}: {output}",
            "Look at the journal of the machine in the run's artifacts.",
        )  # fmt: skip
        self.command = command
        self.result = result


class Session:
    """An SSH connection to one guest, open until it is closed; a context manager."""

    def __init__(
        self, endpoint: Endpoint, transport: paramiko.Transport, still_alive: StillAlive
    ) -> None:
        self.endpoint = endpoint
        self._transport = transport
        self._still_alive = still_alive

    @classmethod
    def connect(
        cls, endpoint: Endpoint, deadline: Deadline, still_alive: StillAlive = lambda: None
    ) -> Session:
        """Return a session as soon as the guest's sshd accepts the login; the caller closes it.

        `still_alive` is called at every try, and twice a second while a command runs. It raises why
        the machine cannot answer any more.

        Raises:
            HostKeyError: another sshd answered.
            DeadlineError: no login in time; carries the last reason.
        """
        return cls(endpoint, dial_until(endpoint, deadline, still_alive), still_alive)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection; closing twice is fine."""
        self._transport.close()

    def fresh(self, deadline: Deadline) -> Session:
        """Open another connection to the same guest; the caller closes it."""
        return Session.connect(self.endpoint, deadline, self._still_alive)

    def run(
        self, command: str, deadline: Deadline, *, check: bool = False, sudo: bool = True
    ) -> Result:
        """Run a shell command to its end, as root or with `sudo=False` as the user.

        Its standard input is empty, and each output stream is limited to 16 MiB. The command ends
        when no process has its output open, as in ssh. It may outlive the deadline in the guest.

        Raises:
            GuestCommandError: `check` is true and the exit status is not 0.
            DeadlineError: it was still running at the deadline.
            ConnectionLostError: the connection ended; the command is not run again.
            RigError: it writes more than the limit.
        """
        LOG.debug("%s: %s", self.endpoint, command)
        result = self._finish(_as_root(command) if sudo else command, command, deadline)
        if check and result.status != 0:
            raise GuestCommandError(self.endpoint, command, result)
        return result

    def read_text(self, path: str, deadline: Deadline) -> str:
        """Return a guest file's text, read as root.

        Raises:
            GuestCommandError: it cannot be read.
        """
        return self.run(f"cat -- {shlex.quote(path)}", deadline, check=True).stdout

    def boot_id(self, deadline: Deadline) -> str:
        """Return the kernel's id of this boot, which changes with every boot and nothing else."""
        return self.read_text("/proc/sys/kernel/random/boot_id", deadline).strip()

    def wait_for_reboot(self, old_boot_ids: Collection[str], deadline: Deadline) -> None:
        """Close the connection, and connect again when the guest runs another boot.

        `old_boot_ids` may have dashes, as from the kernel, or none, as from the journal.

        Raises:
            DeadlineError: no other boot in time; carries the last reason.
        """
        self.close()
        wait_for("another boot", lambda: self._leave_boots(old_boot_ids, deadline), deadline)

    def _leave_boots(self, old_boot_ids: Collection[str], deadline: Deadline) -> None:
        self._still_alive()
        self._transport = dial(self.endpoint, deadline, self._still_alive)
        try:
            seen = self.boot_id(Deadline.after(_BOOT_ID_S, deadline.clock))
        except (ConnectionLostError, GuestCommandError, DeadlineError) as exc:
            self.close()
            raise NotYet(str(exc)) from exc
        if _plain(seen) in map(_plain, old_boot_ids):
            self.close()
            raise NotYet(f"the guest is still in boot {seen}")

    def _finish(self, line: str, command: str, deadline: Deadline) -> Result:
        problem = "no exit status came: the connection dropped, or a signal killed the command"
        try:
            with _channel(self._transport, deadline) as channel:
                channel.exec_command(line)
                channel.shutdown_write()
                stdout, stderr = self._read_both(channel, command)
                status = channel.recv_exit_status()
        except (paramiko.SSHException, EOFError, OSError) as exc:
            status, problem = -1, reason_of(exc)
        if status >= 0:
            return Result(status=status, stdout=_text(stdout), stderr=_text(stderr))
        if deadline.is_over:
            raise DeadlineError(command, deadline.limit_s, "still running in the guest")
        raise ConnectionLostError(self.endpoint, command, problem)

    def _read_both(self, channel: paramiko.Channel, command: str) -> tuple[bytes, bytes]:
        """Read both streams together, so that neither fills its window."""
        stdout, stderr = bytearray(), bytearray()
        while True:
            ended = channel.closed or channel.eof_received  # read first: then all output is there
            while channel.recv_ready() and len(stdout) <= _OUTPUT_LIMIT_BYTES:
                stdout += channel.recv(_CHUNK_BYTES)
            while channel.recv_stderr_ready() and len(stderr) <= _OUTPUT_LIMIT_BYTES:
                stderr += channel.recv_stderr(_CHUNK_BYTES)
            if max(len(stdout), len(stderr)) > _OUTPUT_LIMIT_BYTES:
                limit_mib = _OUTPUT_LIMIT_BYTES >> 20
                problem = f"{command} wrote more than {limit_mib} MiB"
                raise RigError(str(self.endpoint), problem, "Limit the output of the command.")
            if ended:
                return bytes(stdout), bytes(stderr)
            self._still_alive()
            select.select([channel], [], [], _LOOK_S)


@contextmanager
def _channel(transport: paramiko.Transport, deadline: Deadline) -> Iterator[paramiko.Channel]:
    """Open a channel that closes itself at the deadline.

    paramiko waits without a limit for the answer to an exec request. If the guest is frozen, only
    another thread that closes the channel ends that wait.
    """
    channel = transport.open_session(timeout=deadline.remaining_s)
    watchdog = threading.Timer(deadline.remaining_s, _close, (channel,))
    watchdog.daemon = True
    watchdog.start()
    try:
        yield channel
    finally:
        watchdog.cancel()
        _close(channel)


def _close(channel: paramiko.Channel) -> None:
    # Closing writes to the other side, which may be gone.
    with suppress(paramiko.SSHException, EOFError, OSError):
        channel.close()


def _as_root(command: str) -> str:
    return f"sudo -n sh -c {shlex.quote(command)}"


def _plain(boot_id: str) -> str:
    return boot_id.replace("-", "")


def _text(output: bytes) -> str:
    return output.decode(errors="replace")
