"""testinfra over the harness's session, so that it shares the one bounded SSH connection.

testinfra's own paramiko backend runs a command again after a dropped connection, has no limit for
a command, and never closes.
"""

from __future__ import annotations

from testinfra.backend.base import BaseBackend, CommandResult
from testinfra.host import Host

from harness.model.clock import Deadline
from harness.node.ssh import Shell

LIMIT_S = 60.0
"""For one command of testinfra; stretched for a slow guest."""


class SessionBackend(BaseBackend):  # type: ignore[misc] # testinfra ships no types
    """Runs every command of testinfra as root in the guest, within `limit_s` seconds."""

    NAME = "node-image"

    def __init__(self, shell: Shell, hostname: str, limit_s: float = LIMIT_S) -> None:
        super().__init__(hostname)
        # Else testinfra asks python3, which CoreOS does not have.
        self._encoding = "utf-8"
        self._shell = shell
        self._limit_s = limit_s

    def run(self, command: str, *args: str, **_kwargs: object) -> CommandResult:
        """Run `command` with `args` quoted into it.

        Raises:
            RigError: the connection dropped or the time ran out.
        """
        line = self.get_command(command, *args)
        result = self._shell.run(line, Deadline.after(self._limit_s))
        return self.result(result.status, line.encode(), result.stdout, result.stderr)


def make_host(shell: Shell, hostname: str, limit_s: float = LIMIT_S) -> Host:
    """Return a new testinfra host, with nothing cached from before live-apply.

    testinfra caches facts (such as `system_info`) on the host, and `get_host` returns the same host
    again.
    """
    backend = SessionBackend(shell, hostname, limit_s)
    host = Host(backend)
    backend.set_host(host)
    return host
