"""A machine's network cards, as QEMU's words.

The guest reaches the host's 127.0.0.1 as 10.0.2.2, and the host reaches the guest by forwarded
ports. QEMU gets them directly: libvirt 9.0's user-mode interface cannot forward ports (from 9.2 on,
<portForward> can, with passt on the host), and libvirt does not know the segment's sockets.
Source: qemu(1), -netdev.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from harness.machine.domain.architecture import Architecture
from harness.machine.domain.segment import Segment
from harness.machine.domain.storage import BOOT_NETWORK
from harness.model.errors import InputError

# The field `file` of a BOOTP answer, less its final zero. Source: RFC 951.
_LONGEST_URL = 127
_CARD, _SECOND_CARD, _SEGMENT_CARD = 0, 1, 2
# With its own addresses, so that the guest sees two networks.
_SECOND_NETWORK = "user,id=net1,net=10.0.3.0/24"
# Not the usual network: its addresses have to be reached over the segment.
# slirp's DHCP offers no gateway and no name server in a restricted network.
_RESTRICTED = ("net=10.0.4.0/24", "restrict=on")


@dataclass(frozen=True, slots=True, kw_only=True)
class Forward:
    """A TCP port on the host's 127.0.0.1 that is forwarded to a port of the guest."""

    host_port: int
    guest_port: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """All cards of a machine: the one to the host, and the optional ones.

    `boots` is the URL of an iPXE script that the first card boots.
    """

    forwards: tuple[Forward, ...] = ()
    boots: str | None = None
    has_second_nic: bool = False
    segment: Segment | None = None

    def qemu_words(self, arch: Architecture) -> Iterator[str]:
        """Yield the words for the cards.

        Raises:
            InputError: the URL is too long for a DHCP answer.
        """
        first = arch.device("net", _CARD)
        boots = () if self.boots is None else (f"bootindex={BOOT_NETWORK}",)
        is_restricted = self.segment is not None and self.segment.is_only_way
        backend = (
            "user,id=net0", *(_RESTRICTED if is_restricted else ()),
            *map(_forward, self.forwards), *self._boot_file(),
        )  # fmt: skip
        yield from ("-netdev", ",".join(backend))
        yield from ("-device", ",".join((first, "netdev=net0", *boots)))
        if self.has_second_nic:
            yield from ("-netdev", _SECOND_NETWORK)
            yield from ("-device", f"{arch.device('net', _SECOND_CARD)},netdev=net1")
        if self.segment is not None:
            yield from ("-netdev", f"{self.segment.backend},id=net2")
            card = f"{arch.device('net', _SEGMENT_CARD)},netdev=net2,mac={self.segment.mac}"
            yield from ("-device", card)

    def _boot_file(self) -> tuple[str, ...]:
        if self.boots is None:
            return ()
        if len(self.boots) > _LONGEST_URL:
            problem = f"URL to boot from is longer than {_LONGEST_URL} bytes"
            raise InputError(self.boots, problem, "Serve the script at a shorter path.")
        return (f"bootfile={quoted(self.boots)}",)


def quoted(text: str) -> str:
    """Return `text` as the value of an option; QEMU reads two commas as one."""
    return text.replace(",", ",,")


def _forward(forward: Forward) -> str:
    return f"hostfwd=tcp:127.0.0.1:{forward.host_port}-:{forward.guest_port}"
