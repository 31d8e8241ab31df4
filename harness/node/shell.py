"""The user's terminal in a node: a shell or one command by OpenSSH, with forwarded ports."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from harness import process
from harness.machine.ownership.ports import is_free
from harness.model.errors import InputError
from harness.model.guest_network import LOOPBACK
from harness.node.login import UNATTENDED, Login

SSH_FAILED = 255
"""The status of ssh if it could not log in, or the connection broke. Source: ssh(1)."""
_MOST = 65535


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalForward:
    """A port of this host, on the loopback, that leads to a port of the node's loopback."""

    here: int
    there: int

    @classmethod
    def from_text(cls, text: str) -> LocalForward:
        """Return what `PORT` or `HERE:THERE` means.

        Raises:
            InputError: it is malformed.
        """
        here, colon, there = text.partition(":")
        numbers = (here, there if colon else here)
        if not all(
            each.isascii() and each.isdigit() and 0 < int(each) <= _MOST for each in numbers
        ):
            problem = f"{text!r} is not PORT or HERE:THERE, with ports from 1 to {_MOST}"
            raise InputError("--forward", problem, "Write it as in 8080:6443.")
        return cls(here=int(numbers[0]), there=int(numbers[1]))

    @property
    def words(self) -> tuple[str, str]:
        """The words for ssh."""
        return ("-L", f"{LOOPBACK}:{self.here}:{LOOPBACK}:{self.there}")


def require_client(program: str) -> None:
    """Return if a program of OpenSSH's client is installed.

    Raises:
        InputError: it is not.
    """
    try:
        process.find(program)
    except process.MissingProgramError as exc:
        remedy = "Install OpenSSH's client: openssh-client on Debian, openssh-clients on Fedora."
        raise InputError(program, "not installed, needed to log in to nodes", remedy) from exc


def require_able(forwards: Sequence[LocalForward]) -> None:
    """Raise now if a shell could not be opened later.

    Raises:
        InputError: OpenSSH's client is not installed, or a port is in use.
    """
    require_client("ssh")
    for forward in forwards:
        if not is_free(forward.here):
            problem = f"the port {forward.here} of this host cannot be used"
            raise InputError("--forward", problem, "Name another one as HERE:THERE.")


def run(login: Login, command: Sequence[str] = (), forwards: Sequence[LocalForward] = ()) -> int:
    """Run a shell, or a command, in the node until it ends; return its exit status.

    Raises:
        KeyboardInterrupt: the user interrupted.
    """
    return process.attached(login.ssh((*_options(command, forwards),), command))


def _options(command: Sequence[str], forwards: Sequence[LocalForward]) -> Iterator[str]:
    is_terminal = sys.stdin.isatty() and sys.stdout.isatty()
    yield "-t" if is_terminal else "-T"
    yield from UNATTENDED
    if command:
        yield from ("-o", "LogLevel=ERROR")
    for forward in forwards:
        yield from forward.words
    if forwards:
        yield from ("-o", "ExitOnForwardFailure=yes")
