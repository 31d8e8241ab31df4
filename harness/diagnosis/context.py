"""The lines before a fault: the last ones of the same program or unit, on the same stream."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable

from harness.diagnosis.line import Job, Line, Stream
from harness.diagnosis.mark import IGNITION

_LINES = 4
# No context for anything: what systemd redraws while it waits, jobs that go as they should, and the
# config that a failing Ignition prints, line by line.
_WAITING = ("Job ", "A start job is running", "A stop job is running")
_CONFIG = re.compile(r'\s*(?:["{}\]]|\[\s*$)')
_ROUTINE = (Job.STARTING, Job.STARTED, Job.STOPPING, Job.STOPPED)
_JOURNALS = (Stream.JOURNAL, Stream.IGNITION)


class Context:
    """Keeps the last lines of each voice, and of each stream."""

    def __init__(self) -> None:
        self._kept: dict[tuple[Stream, str], deque[Line]] = {}

    def remember(self, line: Line, identifier: str) -> None:
        """Keep a line of the program `identifier`, unless it is routine."""
        if line.job in _ROUTINE or line.text.startswith(_WAITING):
            return
        if identifier == IGNITION and _CONFIG.match(line.text):
            return
        for voice in {_voice(line, identifier), _voice(line, "")}:
            self._kept.setdefault(voice, deque(maxlen=_LINES)).append(line)

    def before(self, line: Line, identifier: str) -> Iterable[Line]:
        """Return the lines kept of the voice of `line`, the oldest first."""
        return self._kept.get(_voice(line, identifier), ())


def _voice(line: Line, identifier: str) -> tuple[Stream, str]:
    """Return who wrote a line: in the journal a unit, else a program.

    Lines of systemd about a unit count as the unit's. A console's plain text has no writer.
    """
    return line.stream, (line.unit or identifier) if line.stream in _JOURNALS else identifier
