"""The four streams of one machine, read together while they grow, and kept as evidence.

Console, journal, Ignition's port and the guest's events: each alone misses something, so a boot is
judged by the lines of all of them, in the order in which they arrived.
"""

from __future__ import annotations

import codecs
from collections.abc import Callable, Mapping
from pathlib import Path

from harness.diagnosis.line import Line
from harness.diagnosis.readers.arrival import GuestClock
from harness.diagnosis.readers.console import ConsoleReader
from harness.diagnosis.readers.events import EventReader
from harness.diagnosis.readers.ignition_port import IgnitionReader
from harness.diagnosis.readers.journal import Entry, JournalReader, to_export
from harness.machine.machine import Machine
from harness.machine.spec import EVENTS_PORT, IGNITION_PORT, JOURNAL_PORT
from harness.model import run_folder
from harness.model.clock import Deadline
from harness.watching.evidence import Evidence

_CHUNK_BYTES = 1 << 16


class Tail:
    """Returns what was appended to a file since the last read, if anything."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._at = 0
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")

    def read(self) -> str:
        """Return the new text, a chunk at most; an incomplete character comes with the next."""
        try:
            with self._path.open("rb") as file:
                file.seek(self._at)
                new = file.read(_CHUNK_BYTES)
        except FileNotFoundError:
            return ""
        self._at += len(new)
        return self._decoder.decode(new)


class Streams:
    """The streams of `machine`, kept in `evidence` as they arrive."""

    def __init__(self, machine: Machine, evidence: Evidence) -> None:
        self._evidence = evidence
        ports = machine.port_files
        self._tails = {
            run_folder.CONSOLE: Tail(machine.console),
            run_folder.JOURNAL: Tail(ports[JOURNAL_PORT]),
            run_folder.IGNITION_JOURNAL: Tail(ports[IGNITION_PORT]),
            run_folder.EVENTS: Tail(ports[EVENTS_PORT]),
        }
        clock = GuestClock()  # all streams share what one shows of the guest's time
        self._console = ConsoleReader(clock=clock)
        self._journal = JournalReader(clock=clock)
        self._ignition = IgnitionReader(clock=clock)
        self.events = EventReader(clock=clock)
        self.last_byte_s = 0.0

    @property
    def boot_ids(self) -> Mapping[str, int]:
        """The numbers of the boots in the journal so far, by their ids."""
        return self._journal.boot_ids

    def read(self, now_s: float, limit: Deadline) -> list[Line]:
        """Return the lines since the last call; `now_s` is since power-on.

        Reading ends at `limit`, since a guest may write without end.
        """
        lines: list[Line] = []
        is_more = True
        while is_more:
            is_more = False
            for name, tail in self._tails.items():
                if text := tail.read():
                    self.last_byte_s = now_s
                    lines += self._lines(name, text, now_s)
                    is_more = not limit.is_over
        if (prompt := self._console.pending(now_s)) is not None:
            lines.append(prompt)
        return lines

    def _lines(self, name: str, text: str, now_s: float) -> list[Line]:
        if name == run_folder.JOURNAL:
            entries = self._journal.feed(text, now_s)
            self._evidence.append(name, b"".join(map(self._exported, entries)))
            return [entry.line for entry in entries]
        self._evidence.append_text(name, text)
        readers: dict[str, Callable[[str, float], list[Line]]] = {
            run_folder.CONSOLE: self._console.feed,
            run_folder.IGNITION_JOURNAL: self._ignition.feed,
            run_folder.EVENTS: self.events.feed,
        }
        return readers[name](text, now_s)

    def _exported(self, entry: Entry) -> bytes:
        fields = dict(entry.fields)
        if isinstance(said := fields.get("MESSAGE"), str):
            # A private key comes as one entry a line; only the line before it shows what it is.
            clean = self._evidence.lines_of(run_folder.JOURNAL)
            fields["MESSAGE"] = clean(f"{said}\n").removesuffix("\n")
        return to_export(fields, self._evidence.redactor)
