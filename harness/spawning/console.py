"""The serial console of a node, shown while it grows."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from harness.model.clock import SYSTEM_CLOCK, Clock
from harness.spawning.records import KeptNode
from harness.watching.streams import Tail

_LOOK_S = 0.3


def follow(node: KeptNode, show: Callable[[str], None], clock: Clock = SYSTEM_CLOCK) -> None:
    """Show the lines of the console until its file is gone with the node, or an interrupt."""
    path = Path(node.console)
    tail, rest = Tail(path), ""
    while True:
        is_there = path.exists()  # asked first: then all of it is read
        while new := tail.read():
            *lines, rest = (rest + new).split("\n")
            for line in lines:
                show(line)
        if not is_there:
            return
        clock.sleep(_LOOK_S)
