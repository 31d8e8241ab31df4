"""What the process that owns nodes sends to the command: lines to show, and messages among them."""

from __future__ import annotations

import os
from contextlib import suppress

import msgspec

from harness.model.escapes import printable
from harness.spawning.records import Spawned

_STDOUT = 1
_MARK = "\x1e"
"""Begins a message. No line to show has it, because it is not printable."""


class Up(msgspec.Struct, tag="up"):
    """All nodes are up."""

    spawned: Spawned


class Ended(msgspec.Struct, tag="ended"):
    """All nodes are gone, because of a problem unless `error` is empty."""

    error: str = ""


Message = Up | Ended


def send(message: Message) -> None:
    """Send a message; nothing happens if nobody listens any more."""
    _write(_MARK + msgspec.json.encode(message).decode())


def show(line: str) -> None:
    """Send a line to show; nothing happens if nobody listens any more."""
    _write(printable(line))


def received(line: str) -> Message | str:
    """Return the message in a line, or the line to show."""
    if not line.startswith(_MARK):
        return line
    found: Message = msgspec.json.decode(line.removeprefix(_MARK), type=Message)
    return found


def _write(line: str) -> None:
    with suppress(OSError):
        os.write(_STDOUT, f"{line}\n".encode(errors="replace"))
