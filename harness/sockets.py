"""Ends connections that another thread may be using."""

from __future__ import annotations

import socket
from contextlib import suppress


def shut(connection: socket.socket) -> None:
    """End a connection; whoever waits for it goes on. One that is closed stays so.

    Not by the method of SSLSocket, which drops what another thread still uses.
    """
    with suppress(OSError):
        socket.socket.shutdown(connection, socket.SHUT_RDWR)
