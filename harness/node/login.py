"""How a user logs in to a guest with OpenSSH's programs, which need both keys as files."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from harness.model.secret import Secret
from harness.node.dial import Endpoint

KEY, KNOWN_HOSTS = "login.key", "login.known_hosts"
UNATTENDED = ("-o", "BatchMode=yes", "-o", "ConnectTimeout=60")
"""Options with which the programs ask for no password, and wait for no guest that is gone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """The address of a guest's sshd, and the files with the user's key and the guest's key."""

    port: int
    key: Path
    known_hosts: Path
    user: str = "core"
    address: str = "127.0.0.1"

    @property
    def command(self) -> str:
        """The command for a shell in the guest, as a user pastes it."""
        return shlex.join(self.ssh())

    @property
    def target(self) -> str:
        """The user and the address, as the programs take them."""
        return f"{self.user}@{self.address}"

    def ssh(self, options: Iterable[str] = (), command: Sequence[str] = ()) -> tuple[str, ...]:
        """Return the words that run a shell in the guest, or `command`.

        One word is a line for the guest's shell; several are a program and its arguments.
        """
        line = command if len(command) < 2 else (shlex.join(command),)
        return ("ssh", *self._options, "-p", str(self.port), *options, self.target, *line)

    def scp(self, *paths: str) -> tuple[str, ...]:
        """Return the words that copy files; a path in the guest begins with `target:`."""
        return ("scp", *self._options, *UNATTENDED, "-P", str(self.port), "-r", *paths)

    @property
    def _options(self) -> tuple[str, ...]:
        # ssh splits the value at blanks, unless it is quoted.
        known = f'UserKnownHostsFile="{self.known_hosts}"'
        settings = ("IdentitiesOnly=yes", known, "StrictHostKeyChecking=yes")
        pairs = (("-o", setting) for setting in settings)
        return ("-F", "none", "-i", str(self.key), *(word for pair in pairs for word in pair))


@contextmanager
def login_files(folder: Path, endpoints: Mapping[str, Endpoint]) -> Iterator[dict[str, Login]]:
    """Context manager that writes the keys of guests with one client key; yields their logins.

    On leaving, the files in `folder` are gone.
    """
    key, known = folder / KEY, folder / KNOWN_HOSTS
    lines = (f"[{at.address}]:{at.port} {at.host_key}\n" for at in endpoints.values())
    try:
        _write(known, Secret("".join(lines)))
        for endpoint in endpoints.values():
            _write(key, endpoint.client_key)
        yield {
            name: Login(
                port=at.port, key=key, known_hosts=known, user=at.user, address=at.address
            )
            for name, at in endpoints.items()
        }  # fmt: skip
    finally:
        key.unlink(missing_ok=True)
        known.unlink(missing_ok=True)


def _write(path: Path, contents: Secret) -> None:
    path.touch(mode=0o600)
    path.write_text(contents.reveal(), encoding="utf-8")
