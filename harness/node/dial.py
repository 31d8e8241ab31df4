"""Open an authenticated SSH connection, in one attempt or with retries until a guest answers."""

from __future__ import annotations

import base64
import hashlib
import io
import logging
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import paramiko

from harness.model.clock import Deadline, NotYet, wait_for
from harness.model.errors import RigError, reason_of
from harness.model.secret import Secret

LOG = logging.getLogger(__name__)
_WIRE = f"{__name__}.wire"

_MIN_TRY_S = 2.0
_HANDSHAKE_S = 30.0
_KEEPALIVE_S = 10.0
_TICK_S = 0.25
# How often a handshake checks that the machine is alive.
_LOOK_S = 0.25
# For an attempt before the guest has shown its sshd.
_BLIND_S = 30.0
# paramiko prefers post-quantum exchanges, which are slow in emulation. FIPS guests refuse
# curve25519, so the others stay as a fallback.
_CHEAP_KEX = "curve25519-sha256@libssh.org"

StillAlive = Callable[[], None]
"""Returns while the guest can still answer. Raises the reason if it cannot."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """The address of a guest's sshd, and the keys of both sides.

    `host_key` is the public line (type, base64, comment) that the guest must present. `is_up` says
    that the sshd runs, as in a fork: then an attempt that takes long is better than many.
    `is_shown` returns whether the guest has reported by other ways that its sshd can be reached.
    """

    address: str
    port: int
    user: str = "core"
    client_key: Secret
    host_key: str = field(repr=False)
    is_up: bool = False
    is_shown: Callable[[], bool] = field(default=lambda: True, repr=False, compare=False)

    def __str__(self) -> str:
        return f"{self.user}@{self.address}:{self.port}"


class HostKeyError(RigError):
    """The sshd that answered is not the guest's: it presented another host key."""

    def __init__(self, endpoint: Endpoint, seen: paramiko.PKey) -> None:
        expected = fingerprint(_key_blob(endpoint.host_key))
        super().__init__(
            str(endpoint),
            f"presented a host key of another machine: expected {expected}, "
            f"seen {seen.get_name()} {fingerprint(seen.asbytes())}",
            "Check whether Ignition wrote the host key into the guest, and whether another "
            "machine answers on this port.",
        )
        self.endpoint = endpoint


def fingerprint(blob: bytes) -> str:
    """Return a public key's SHA256 fingerprint as ssh-keygen prints it."""
    digest = base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")
    return f"SHA256:{digest}"


def dial_until(
    endpoint: Endpoint, deadline: Deadline, still_alive: StillAlive
) -> paramiko.Transport:
    """Return an authenticated transport; retry until the guest's sshd accepts the login.

    Raises:
        HostKeyError: another sshd answered.
        DeadlineError: no login in time; the message has the last reason.
    """

    def attempt() -> paramiko.Transport:
        still_alive()
        return dial(endpoint, deadline, still_alive)

    transport = wait_for(f"SSH to {endpoint}", attempt, deadline, _TICK_S)
    LOG.info("SSH to %s after %.1f s", endpoint, deadline.limit_s - deadline.remaining_s)
    return transport


def dial(
    endpoint: Endpoint, deadline: Deadline, still_alive: StillAlive = lambda: None
) -> paramiko.Transport:
    """Try once to open an authenticated transport; the caller closes it.

    It calls `still_alive` while it waits, because a dead guest sends no banner.

    Raises:
        HostKeyError: another sshd answered.
        NotYet: the attempt failed, or the guest shows its sshd only now; the message has the
            reason.
    """
    was_shown = endpoint.is_shown()
    banner_s = _patience_s(endpoint, deadline, was_shown=was_shown)
    try:
        sock = socket.create_connection((endpoint.address, endpoint.port), banner_s)
    except OSError as exc:
        raise NotYet(f"cannot connect: {exc}") from exc
    transport = paramiko.Transport(sock)
    transport.banner_timeout = banner_s

    def look() -> None:
        still_alive()
        if not was_shown and not transport.remote_version and endpoint.is_shown():
            raise NotYet("sshd listens since a moment ago")

    try:
        _negotiate(transport, endpoint, deadline, look)
        _log_in(transport, endpoint, deadline, still_alive)
    except BaseException:
        transport.close()
        raise
    return transport


def _patience_s(endpoint: Endpoint, deadline: Deadline, *, was_shown: bool) -> float:
    """Return how long to wait for a banner: a tenth of the time waited so far.

    A short limit finds sshd soon after it starts; the growing limit gives a slow guest enough time.
    An sshd that is up would refuse the next attempts after a few that ended early (MaxStartups): it
    has half the time for each.

    QEMU's port forwarding accepts a connection before the guest has a network. It keeps the
    connection for 75 s even if this side has closed it, and completes it once the guest answers.
    sshd then starts a process for each, which takes a second of CPU in emulation. So there are few
    attempts before the guest has shown its sshd, which also finds one that is never shown.
    """
    if endpoint.is_up:
        return _at_most_s(deadline.limit_s / 2, deadline)
    if not was_shown:
        return _at_most_s(_BLIND_S, deadline)
    return _at_most_s((deadline.limit_s - deadline.remaining_s) / 10, deadline)


def _at_most_s(wanted_s: float, deadline: Deadline) -> float:
    """Return a step's limit, which may exceed the deadline by `_MIN_TRY_S`."""
    return max(_MIN_TRY_S, min(wanted_s, deadline.remaining_s))


def _negotiate(
    transport: paramiko.Transport, endpoint: Endpoint, deadline: Deadline, still_alive: StillAlive
) -> None:
    wire = logging.getLogger(_WIRE)
    wire.addFilter(_demote)
    transport.set_log_channel(_WIRE)
    handshake_s = max(_HANDSHAKE_S, transport.banner_timeout)
    transport.handshake_timeout = _at_most_s(handshake_s, deadline)
    options = transport.get_security_options()
    options.kex = sorted(options.kex, key=lambda name: name != _CHEAP_KEX)
    limit_s = _at_most_s(transport.banner_timeout + _HANDSHAKE_S, deadline)
    try:
        with _awaited(transport, limit_s, still_alive) as ended:
            transport.start_client(event=ended)
        seen = transport.get_remote_server_key()
    except (paramiko.SSHException, EOFError, OSError) as exc:
        raise NotYet(f"sshd does not answer: {reason_of(exc)}") from exc
    if seen.asbytes() != _key_blob(endpoint.host_key):
        raise HostKeyError(endpoint, seen)


def _log_in(
    transport: paramiko.Transport, endpoint: Endpoint, deadline: Deadline, still_alive: StillAlive
) -> None:
    key = paramiko.Ed25519Key(file_obj=io.StringIO(endpoint.client_key.reveal()))
    limit_s = _at_most_s(max(_HANDSHAKE_S, transport.banner_timeout), deadline)
    try:
        with _awaited(transport, limit_s, still_alive) as ended:
            transport.auth_publickey(endpoint.user, key, event=ended)
    except (paramiko.SSHException, EOFError, OSError) as exc:
        # Also seen while the guest boots: pam_nologin refuses all users but root.
        raise NotYet(f"login of {endpoint.user} failed: {reason_of(exc)}") from exc
    if not transport.is_authenticated():
        raise NotYet(f"login of {endpoint.user} failed: the key was refused, or is not sufficient")
    transport.set_keepalive(int(_KEEPALIVE_S))


@contextmanager
def _awaited(
    transport: paramiko.Transport, limit_s: float, still_alive: StillAlive
) -> Iterator[threading.Event]:
    """Wait until what the block starts sets the event; call `still_alive` while waiting.

    Raises:
        paramiko.SSHException, EOFError, OSError: it failed, or took longer than `limit_s`.
    """
    ended = threading.Event()
    yield ended
    limit = Deadline.after(limit_s)
    while not ended.wait(_LOOK_S):
        still_alive()
        if limit.is_over:
            raise paramiko.SSHException(f"no end after {limit_s:.0f} s")
    if (failure := transport.get_exception()) is not None:
        raise failure


def _key_blob(public_line: str) -> bytes:
    return base64.b64decode(public_line.split()[1])


def _demote(record: logging.LogRecord) -> bool:
    """Log paramiko's tracebacks of failed attempts at debug level, or drop them."""
    record.levelno, record.levelname = logging.DEBUG, "DEBUG"
    return LOG.isEnabledFor(logging.DEBUG)
