"""What comes by Ignition's own port: the journal of an initramfs in which Ignition failed.

The guest writes it as JSON lines and an empty object after them; in a boot that goes well it writes
nothing. Only the entries that tell of trouble are worth a line here.

Source: coreos/ignition dracut/99emergency-timeout, ignition-virtio-dump-journal.sh;
coreos-assembler mantle/platform/qemu.go:221-263.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from harness.diagnosis.arrival import GuestClock
from harness.diagnosis.journal import JournalReader
from harness.diagnosis.line import Line, Stream

IDENTIFIER = "ignition"
"""What Ignition calls itself in the journal."""
_WORST_PRIORITY = 3
_DECISIVE = 6
# Where Ignition cannot reach the journal's socket it prints the level instead, as priority 6.
_PRINTED = re.compile(r"(ERROR|CRITICAL|ALERT|EMERGENCY) *: ")
_PRIORITIES = {"ERROR": 3, "CRITICAL": 2, "ALERT": 1, "EMERGENCY": 0}


@dataclass(slots=True, kw_only=True)
class IgnitionReader:
    """Makes lines of what arrives on one machine's port for Ignition's journal."""

    clock: GuestClock = field(default_factory=GuestClock)
    is_complete: bool = field(init=False, default=False)
    """Whether the guest has written all it had."""
    _journal: JournalReader = field(init=False)
    _bad: list[Line] = field(init=False, default_factory=list)

    def __post_init__(self) -> None:
        self._journal = JournalReader(clock=self.clock, stream=Stream.IGNITION)

    def feed(self, text: str, now_s: float) -> list[Line]:
        """Return the lines of trouble that `text` ended; `now_s` is seconds since power-on."""
        new = list(self._lines(text, now_s))
        self._bad += new
        return new

    @property
    def errors(self) -> tuple[Line, ...]:
        """The decisive lines so far: Ignition's own, or of others when it said nothing itself."""
        own = [line for line in self._bad if line.identifier == IDENTIFIER]
        once = {line.text: line for line in own or self._bad}
        return tuple(once.values())[-_DECISIVE:]

    def _lines(self, text: str, now_s: float) -> Iterator[Line]:
        for entry in self._journal.feed(text, now_s):
            self.is_complete = self.is_complete or not entry.fields
            line = entry.line
            if (level := _PRINTED.match(line.text)) is not None:
                yield replace(line, text=line.text[level.end() :], priority=_PRIORITIES[level[1]])
            elif line.priority <= _WORST_PRIORITY:
                yield line
