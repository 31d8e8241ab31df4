"""Recorded machines played back: what came by which stream, and when after power-on."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from harness.diagnosis.line import Line
from harness.diagnosis.mark import Index
from harness.diagnosis.phases import Tracker
from harness.diagnosis.readers.arrival import GuestClock
from harness.diagnosis.readers.console import ConsoleReader
from harness.diagnosis.readers.events import EventReader
from harness.diagnosis.readers.ignition_port import IgnitionReader
from harness.diagnosis.readers.journal import JournalReader
from harness.folders import fixture
from harness.model.record import PhaseRecord

INDEX = Index(Tracker.load().marks)
KERNEL_S = 8.0
"""When the kernel of a replayed machine began, seconds after power-on."""
_STAMP = re.compile(r"\[ *(\d+\.\d{6})\]")
_UPTIME = re.compile(r"uptime=([\d.]+)")


def transcript(name: str) -> str:
    """Return the text of a recorded stream, with the line ends it had."""
    path = fixture(f"transcripts/diagnosis/phases-{name}")
    return path.read_bytes().decode("utf-8", errors="replace")


def console(machine: str) -> Iterator[tuple[float, str]]:
    """Yield pieces of a console: each line when its stamp, or that of the next one, says."""
    now_s, last_s = math.inf, 0.0
    pieces: list[tuple[float, str]] = []
    for piece in reversed(transcript(f"{machine}-console.txt").splitlines(keepends=True)):
        if stamp := _STAMP.search(piece):
            now_s = min(now_s, KERNEL_S + float(stamp[1]))
            last_s = max(last_s, now_s)
        pieces.append((now_s, piece))
    return ((min(now_s, last_s), piece) for now_s, piece in reversed(pieces))


def journal(machine: str, opened_s: float) -> Iterator[tuple[float, str]]:
    """Yield pieces of a journal, whose port the guest opens at an uptime of `opened_s`."""
    for piece in transcript(f"{machine}-journal.json").splitlines(keepends=True):
        uptime_s = int(json.loads(piece)["__MONOTONIC_TIMESTAMP"]) / 1e6
        yield KERNEL_S + max(uptime_s, opened_s), piece


def events(machine: str) -> Iterator[tuple[float, str]]:
    """Yield the guest's events one by one."""
    for piece in transcript(f"{machine}-events.txt").splitlines(keepends=True):
        if uptime := _UPTIME.search(piece):
            yield KERNEL_S + float(uptime[1]), piece


@dataclass(slots=True)
class Replay:
    """The readers of one machine with the clock they share, and the tracker that they feed."""

    tracker: Tracker = field(default_factory=Tracker.load)
    clock: GuestClock = field(default_factory=GuestClock)
    reported: list[PhaseRecord] = field(default_factory=list)

    def play(self, **streams: Iterator[tuple[float, str]]) -> Replay:
        """Feed the tracker what `console`, `journal`, `events` and `ignition` bring, as it came."""
        read_journal = JournalReader(clock=self.clock).feed
        readers: dict[str, Callable[[str, float], list[Line]]] = {
            "console": ConsoleReader(clock=self.clock).feed,
            "journal": lambda text, now_s: [entry.line for entry in read_journal(text, now_s)],
            "events": EventReader(clock=self.clock).feed,
            "ignition": IgnitionReader(clock=self.clock).feed,
        }
        pieces = [(now_s, name, text) for name, it in streams.items() for now_s, text in it]
        for now_s, name, text in sorted(pieces, key=lambda piece: piece[0]):
            for line in readers[name](text, now_s):
                self.reported += self.tracker.feed(line, INDEX.hits(line))
        return self

    def record(self, name: str, boot: int = 1) -> PhaseRecord:
        """Return one phase by name."""
        return next(r for r in self.tracker.records if (r.name, r.boot) == (name, boot))
