"""A private layer-2 link between two machines of one run, made without privileges.

Ethernet frames go from QEMU to QEMU as datagrams between two unix sockets. Neither side needs the
other: frames to a side that does not listen are lost, as on a cable with a loose end, and a side
that restarts finds the link again. The link is on no network of the host, so its machines configure
their own addresses.
Source: qemu(1), -netdev dgram (QEMU 7.2 or newer).
"""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from harness.model.drawn import draw
from harness.model.errors import InputError

# Source: unix(7), sun_path less its final zero.
_LONGEST_PATH = 107
# Locally administered, in QEMU's and KVM's customary range.
_MAC_PREFIX = "52:54:01"


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """One machine's side: its socket, the other side's, and its card's address.

    With `is_only_way` the machine has no other network: its card to the host passes connections
    from the host only, and has neither gateway nor name server.
    """

    local: Path
    remote: Path
    mac: str
    is_only_way: bool = False

    @property
    def backend(self) -> str:
        """The words of -netdev, without an id."""
        ends = (("local", self.local), ("remote", self.remote))
        words = (f"{end}.type=unix,{end}.path={path}" for end, path in ends)
        return ",".join(("dgram", *words))


def pair(folder: Path, first: str, second: str) -> tuple[Segment, Segment]:
    """Return the two sides of a new link between the machines `first` and `second`.

    Their sockets go into a new folder in `folder`, the run's.

    Raises:
        InputError: the path of `folder` is too long for a socket.
    """
    link = folder / f"link-{secrets.token_hex(3)}"
    link.mkdir()
    here, there = link / first, link / second
    for path in (here, there):
        if len(os.fsencode(path)) > _LONGEST_PATH or "," in os.fspath(path):
            raise InputError(
                str(path), f"socket path has a comma or over {_LONGEST_PATH} bytes",
                "Set TMPDIR to a short path without commas.",
            )  # fmt: skip
    middle = draw("addresses of a segment", lambda: secrets.token_bytes(2).hex(":"))
    common = f"{_MAC_PREFIX}:{middle}"
    return (
        Segment(local=here, remote=there, mac=f"{common}:01"),
        Segment(local=there, remote=here, mac=f"{common}:02"),
    )
