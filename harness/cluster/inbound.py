"""What a client sends, read within bounds of time and bytes: heads, and bodies that a route takes.

All users of the host reach the ports of the servers, and guests run images that are not trusted.
"""

from __future__ import annotations

import io
import re
import socket
from collections.abc import Sequence

from harness.model.clock import Deadline

HEAD_WITHIN_S = 60.0
BODY_WITHIN_S = 60.0
MAX_HEAD_BYTES = 1 << 16
MAX_BODY_BYTES = 1 << 20
_CHUNK_BYTES = 1 << 16
_LEAST_S = 0.001  # 0 would not wait at all
_LENGTH = re.compile(r"\d{1,18}", re.ASCII)


class Inbound(io.RawIOBase):
    """The bytes that a connection receives; `begin` sets the bounds of the next part."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self.begin(HEAD_WITHIN_S, MAX_HEAD_BYTES)

    def begin(self, limit_s: float, max_bytes: int) -> None:
        """Allow so many bytes within so many seconds, from now on."""
        self._deadline = Deadline.after(limit_s)
        self._left_bytes = max_bytes + io.DEFAULT_BUFFER_SIZE  # which is read ahead

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Receive what there is.

        Raises:
            TimeoutError: the time is over.
            OSError: the connection broke, or the client sent too much.
        """
        if self._deadline.is_over:
            raise TimeoutError("the client sent too slowly")
        if self._left_bytes <= 0:
            raise OSError("the client sent too much")
        self._connection.settimeout(max(_LEAST_S, self._deadline.remaining_s))
        count = self._connection.recv_into(buffer)
        self._left_bytes -= count
        return count


def body_bytes(lengths: Sequence[str]) -> int | None:
    """Return the size of a body from the `Content-Length` headers, None if they are malformed."""
    if not lengths:
        return 0
    return int(lengths[0]) if len(lengths) == 1 and _LENGTH.fullmatch(lengths[0]) else None


def read_body(stream: io.BufferedIOBase, inbound: Inbound, size_bytes: int) -> bytes:
    """Return a body, shorter if the client ends before.

    Raises:
        TimeoutError: the client sends too slowly.
    """
    inbound.begin(BODY_WITHIN_S, size_bytes)
    body = bytearray()
    while len(body) < size_bytes:
        block = stream.read1(min(size_bytes - len(body), _CHUNK_BYTES))
        if not block:
            break
        body += block
    return bytes(body)


def discard(stream: io.BufferedIOBase, inbound: Inbound) -> None:
    """Read a part of a body that nobody takes, so that the client can read its answer.

    Raises:
        OSError: the client sends more, or too slowly.
    """
    inbound.begin(1.0, MAX_BODY_BYTES)
    while stream.read1(_CHUNK_BYTES):
        pass
