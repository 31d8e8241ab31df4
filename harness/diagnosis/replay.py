"""Diagnosis of a console that was kept: what the rules see in it, without a machine.

The times are the guest's own. What rules say of silence or of another stream is not seen.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date

from harness.diagnosis.allow import AllowList
from harness.diagnosis.diagnosis import Diagnosis
from harness.diagnosis.engine import Engine
from harness.diagnosis.line import Line
from harness.diagnosis.narrate import summary
from harness.diagnosis.readers.console import ConsoleReader
from harness.diagnosis.rules import Rulebook
from harness.model.record import Sighting

_AFTER_S = 3600.0
"""How long after the last line the wait ends: no rule waits longer for a cause."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """What the rules saw in a console: what ends the boot, if anything does, and the rest."""

    fatal: Sighting | None
    others: tuple[Sighting, ...]

    def render(self) -> str:
        """Return the text for a person, the fatal sighting first."""
        found = [one for one in (self.fatal, *self.others) if one is not None]
        return "\n".join(line for one in found for line in summary(one)) or "no rule matches a line"


def replay(console: str, rulebook: Rulebook) -> Replayed:
    """Return what `rulebook` sees in the text of a console."""
    diagnosis = Diagnosis(Engine(rulebook, AllowList(), factor=1.0, arch="", today=date.min))
    now_s = 0.0
    for line in _lines(console):
        now_s = line.at_s
        diagnosis.take(line)
    engine = diagnosis.engine
    fatal = engine.fatal(now_s + _AFTER_S)
    others = tuple(one for one in engine.sightings if fatal is None or one.rule != fatal.rule)
    return Replayed(fatal=fatal, others=others)


def _lines(console: str) -> Iterator[Line]:
    reader = ConsoleReader()
    boot, began_s, now_s = 1, 0.0, 0.0
    for raw in console.splitlines(keepends=True):
        for line in reader.feed(raw if raw.endswith("\n") else f"{raw}\n", now_s):
            if line.boot != boot:
                boot, began_s = line.boot, now_s
            now_s = max(now_s, began_s + (line.uptime_s or 0.0))
            yield replace(line, at_s=now_s)
