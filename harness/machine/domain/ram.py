"""A machine's memory in a file, as QEMU's words, so that other machines can start from it.

Source: qemu(1), -object memory-backend-file. libvirt's <memoryBacking> cannot name the file.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from harness.machine.domain.network import quoted

# The name of the memory in QEMU's state: the same in a machine and in its forks.
_NAME = "node-image-ram"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ram:
    """The file `path` as a machine's memory; what is written goes into it only if `is_shared`.

    Else the machine has private copies of the pages that it writes.
    """

    path: Path
    is_shared: bool

    def qemu_words(self, memory_mib: int) -> Iterator[str]:
        """Yield the words for a machine with `memory_mib`, which is the size of the file."""
        share = "on" if self.is_shared else "off"
        file = f"mem-path={quoted(str(self.path))},share={share}"
        yield from ("-object", f"memory-backend-file,id={_NAME},size={memory_mib}M,{file}")
        yield from ("-machine", f"memory-backend={_NAME}")
