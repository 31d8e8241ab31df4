"""The serial console of a node, shown while it grows."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from harness.diagnosis.readers.arrival import Assembler
from harness.model.clock import SYSTEM_CLOCK, Clock
from harness.spawning.records import SpawnedNode
from harness.watching.streams import Tail

_LOOK_S = 0.3
_LONGEST = 1 << 16


def follow(node: SpawnedNode, show: Callable[[str], None], clock: Clock = SYSTEM_CLOCK) -> None:
    """Show the lines of the console until its file is gone with the node, or an interrupt.

    A line that is not ended is shown at the end; one that does not end is cut.
    """
    path = Path(node.console)
    tail, assembler = Tail(path), Assembler(_LONGEST)
    while True:
        is_there = path.exists()  # asked first: then all of it is read
        while new := tail.read():
            for line in assembler.feed(new):
                show(line)
        if not is_there:
            if assembler.rest:
                show(assembler.rest)
            return
        clock.sleep(_LOOK_S)
