"""A machine's network cards, as words of QEMU's command line.

The guest reaches the host's 127.0.0.1 as 10.0.2.2, and the host reaches the guest by forwarded
ports. They pass by libvirt: 9.0's user-mode interface cannot forward ports; from 9.2 on, and with
passt on the host, <portForward> can.
Source: qemu(1), -netdev user.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from harness.machine.storage import BOOT_NETWORK
from harness.model.errors import InputError

# The field `file` of a BOOTP answer, less its final zero. Source: RFC 951.
_LONGEST_URL = 127


@dataclass(frozen=True, slots=True, kw_only=True)
class Forward:
    """A TCP port on the host's 127.0.0.1 that leads to a port of the guest."""

    host_port: int
    guest_port: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """The card that every machine has; `boots` is the URL of an iPXE script to boot by it."""

    device: str
    forwards: tuple[Forward, ...] = ()
    boots: str | None = None

    def qemu_words(self) -> Iterator[str]:
        """Yield the words that make it.

        Raises:
            InputError: the URL is too long for a DHCP answer.
        """
        yield "-netdev"
        yield ",".join(("user,id=net0", *map(_forward, self.forwards), *self._boot_file()))
        yield "-device"
        boots = () if self.boots is None else (f"bootindex={BOOT_NETWORK}",)
        yield ",".join((self.device, "netdev=net0", *boots))

    def _boot_file(self) -> tuple[str, ...]:
        if self.boots is None:
            return ()
        if len(self.boots) > _LONGEST_URL:
            problem = f"too long an address to boot from: more than {_LONGEST_URL} bytes"
            raise InputError(self.boots, problem, "serve the script at a shorter path")
        return (f"bootfile={quoted(self.boots)}",)


def quoted(text: str) -> str:
    """Return `text` as the value of an option; QEMU reads two commas as one."""
    return text.replace(",", ",,")


def _forward(forward: Forward) -> str:
    return f"hostfwd=tcp:127.0.0.1:{forward.host_port}-:{forward.guest_port}"
