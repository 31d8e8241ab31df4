"""TCP ports on 127.0.0.1 for port forwarding, locked between concurrent runs."""

from __future__ import annotations

import secrets
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.machine.ownership.locks import try_lock
from harness.model.errors import RigError

# Below Linux's ephemeral ports (32768), which client connections take.
PORTS = range(20000, 30000)
_TRIES = 200


@contextmanager
def reserve_port(locks: Path, candidates: range = PORTS) -> Iterator[int]:
    """Reserve a free port of `candidates`; `locks` is the folder of lock files.

    Raises:
        RigError: every candidate that was tried is taken.
    """
    locks.mkdir(mode=0o700, parents=True, exist_ok=True)
    start = secrets.randbelow(len(candidates))
    for step in range(min(_TRIES, len(candidates))):
        port = candidates[(start + step) % len(candidates)]
        taken = try_lock(locks / str(port))
        if taken is None:
            continue
        with taken:
            if is_free(port):
                yield port
                return
    problem = f"no free port from {candidates.start} to {candidates.stop - 1}"
    raise RigError("127.0.0.1", problem, "Run fewer tests at once, or stop what uses the ports.")


def is_free(port: int) -> bool:
    """Return whether a program could listen on this port of 127.0.0.1 now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As QEMU and Go's servers do: for a minute after a server's end, connections that it closed
        # keep the port from others.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
