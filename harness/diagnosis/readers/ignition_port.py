"""What comes by Ignition's own port: the journal of an initramfs in which Ignition failed.

The guest writes it as JSON lines and an empty object after them; in a boot that goes well it writes
nothing. Only entries that report errors become lines here.

Source: coreos/ignition dracut/99emergency-timeout, ignition-virtio-dump-journal.sh;
coreos-assembler mantle/platform/qemu.go:221-263.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from harness.diagnosis.line import Line, Stream
from harness.diagnosis.readers.arrival import GuestClock
from harness.diagnosis.readers.journal import JournalReader

_WORST_PRIORITY = 3
# Where Ignition cannot reach the journal's socket it prints the level instead, as priority 6.
_PRINTED = re.compile(r"(ERROR|CRITICAL|ALERT|EMERGENCY) *: ")
_PRIORITIES = {"ERROR": 3, "CRITICAL": 2, "ALERT": 1, "EMERGENCY": 0}


@dataclass(slots=True, kw_only=True)
class IgnitionReader:
    """Makes lines of what arrives on one machine's port for Ignition's journal."""

    clock: GuestClock = field(default_factory=GuestClock)
    _journal: JournalReader = field(init=False)

    def __post_init__(self) -> None:
        self._journal = JournalReader(clock=self.clock, stream=Stream.IGNITION)

    def feed(self, text: str, now_s: float) -> list[Line]:
        """Return the lines of errors that `text` ended; `now_s` is seconds since power-on."""
        return list(self._lines(text, now_s))

    def _lines(self, text: str, now_s: float) -> Iterator[Line]:
        for entry in self._journal.feed(text, now_s):
            line = entry.line
            if (level := _PRINTED.match(line.text)) is not None:
                yield replace(line, text=line.text[level.end() :], priority=_PRIORITIES[level[1]])
            elif line.priority <= _WORST_PRIORITY:
                yield line
