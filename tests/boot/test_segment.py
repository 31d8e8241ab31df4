"""The private link between two machines: one side is a guest, the other a socket of this test."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from owned import START_S, Place, owner_of, private_place, serving, wait_for_words

from harness.model.clock import Deadline, NotYet, wait_for

GUEST, PEER = IPv4Address("192.168.77.2"), IPv4Address("192.168.77.1")
SCRIPT = f"""\
#!ipxe
set net1/ip {GUEST}
set net1/netmask 255.255.255.0
ifopen net1
echo link is open
:forever
sleep 60
goto forever
"""
PEER_MAC = bytes.fromhex("525401000002")
# Ethernet, broadcast; then ARP for IPv4 over Ethernet. Source: RFC 826.
ARP_REQUEST = (
    b"\xff" * 6 + PEER_MAC + bytes.fromhex("0806 0001 0800 0604 0001")
    + PEER_MAC + PEER.packed + bytes(6) + GUEST.packed
).ljust(60, b"\0")  # fmt: skip
ARP_REPLY = bytes.fromhex("0806 0001 0800 0604 0002")


@pytest.fixture
def place() -> Iterator[Place]:
    with private_place() as made:
        yield made


@contextmanager
def plugged(path: Path) -> Iterator[socket.socket]:
    """Open the other end of the link, a socket at the guest's remote path."""
    path.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as end:
        end.bind(str(path))
        end.settimeout(0.5)
        yield end


def answer_of_guest(end: socket.socket, guest: Path) -> bytes:
    """Request the guest's address until it answers, and return the frame."""

    def _answered() -> bytes:
        try:
            end.sendto(ARP_REQUEST, str(guest))
            frame = end.recv(2048)
        except OSError as exc:
            raise NotYet(f"no answer: {exc}") from exc
        if frame[12:22] != ARP_REPLY:
            raise NotYet(f"another frame: {frame[:22].hex(' ')}")
        return frame

    return wait_for("an answer", _answered, Deadline.after(START_S), tick_s=0.05)


def test_frames_pass_between_the_sides_whichever_came_first(place: Place) -> None:
    (place.folder / "link.ipxe").write_text(SCRIPT)

    with (
        serving(place.folder) as address,
        owner_of(
            place, "hold", "blank", "--netboot", f"{address}/link.ipxe", "--segment"
        ) as started,
    ):  # fmt: skip
        wait_for_words(started.console, "link is open")
        peer = Path(str(started.facts["peer"]))
        guest = peer.with_name("one")
        with plugged(peer) as end:
            first = answer_of_guest(end, guest)
        with plugged(peer) as end:
            again = answer_of_guest(end, guest)

    assert first[:6] == PEER_MAC
    assert first[6:9] == bytes.fromhex("525401"), "from the card that the segment made"
    assert first[28:32] == GUEST.packed
    assert again[:60] == first[:60], "the other side may go and come back"
    assert not guest.exists(), "the link goes with its run"
