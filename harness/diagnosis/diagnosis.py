"""The diagnosis of one machine: the marks of each line are looked up once, for all who need them.

Phases, rules, the detector of missing commands and callers that ask for a mark by name get the same
hits, each with its boot.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from harness.diagnosis.engine import Engine
from harness.diagnosis.line import Line
from harness.diagnosis.mark import Hit, Index, Mark
from harness.diagnosis.missing import OVERLAY, Detector
from harness.diagnosis.phases import Tracker
from harness.model.record import PhaseRecord

_MOST_HITS = 200  # of one name; the latest are kept


class Diagnosis:
    """What is known of a machine by its lines; `engine` has the rules and judges by them."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.tracker = Tracker.load()
        self.detector = Detector(lambda boot: self.tracker.ended(OVERLAY, boot))
        named = {name: mark for name, mark in engine.rulebook.marks.items() if mark.identifies}
        self._index = Index((*self.tracker.marks, *engine.marks, *named.values()))
        self._hits = {name: deque[Hit](maxlen=_MOST_HITS) for name in named}
        self._names: dict[Mark, list[str]] = {}
        for name, mark in named.items():
            self._names.setdefault(mark, []).append(name)

    def take(self, line: Line) -> tuple[PhaseRecord, ...]:
        """Take a line into account; return the phases that changed by it."""
        hits = self._index.hits(line)
        self._keep(hits)
        changed = self.tracker.feed(line, hits)
        phase = self.tracker.phase_at(line.at_s)
        place = self.tracker.place_of(line, phase) if hits else phase
        self.engine.feed(line, phase, hits, place)
        self.detector.feed(line, phase)
        return changed

    def hits(self, name: str) -> tuple[Hit, ...]:
        """Return where the mark `name` was seen, the oldest first; of very many the latest.

        Raises:
            KeyError: no mark has that name, or it is there to be built on alone.
        """
        return tuple(self._hits[name])

    def _keep(self, hits: Iterable[Hit]) -> None:
        for hit in hits:
            for name in self._names.get(hit.mark, ()):
                self._hits[name].append(hit)
