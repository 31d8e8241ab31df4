"""The trace of one fault: its lines, its count, and whether it is fatal.

The engine keeps one trace for each fault; a trace becomes the `Sighting` that others read.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from harness.diagnosis import words
from harness.diagnosis.line import Line, Stream
from harness.diagnosis.rules import Rule
from harness.model.record import Sighting, Weight

_MOST_LINES = 5
_FEWEST_OF_A_RUN = 5
_LONGEST_VALUE = 200
_ELLIPSIS = "…"


@dataclass(slots=True, kw_only=True)
class Trace:
    """One fault that `rule` matched. `key` separates it from others of that rule.

    `tracker` is the link by which an allow-list signed for it. Seconds are since power-on.
    """

    rule: Rule
    key: tuple[str, ...]
    tracker: str | None = None
    fatal_s: float | None = None
    """When it was known to be fatal: not before its line arrived, which may be late."""
    lines: list[Line] = field(default_factory=list)
    words: tuple[Line, ...] = ()
    """What the unit that failed, or the one to blame for it, wrote last; empty if not known."""
    culprit: str = ""
    _context: tuple[Line, ...] = ()
    _phase: str = ""
    _said: Mapping[str, str] = field(default_factory=dict)
    _counts: dict[Stream, int] = field(default_factory=dict)
    _times_s: dict[Stream, deque[float]] = field(default_factory=dict)
    _runs: dict[Stream, _Run] = field(default_factory=dict)

    @property
    def first_s(self) -> float:
        """When it was seen first."""
        return min((line.at_s for line in self.lines), default=0.0)

    @property
    def count(self) -> int:
        """How often it was seen, by the stream that saw it most often."""
        return max(self._counts.values(), default=0)

    @property
    def is_shown(self) -> bool:
        """Whether it is reported: a rule that only warns may ask for more than one."""
        if self.rule.is_harmless:
            return False
        if self.rule.is_fatal:
            return self.fatal_s is not None or self.count >= self.rule.shown_from
        return self.count >= self.rule.at_least

    def is_ripe(self, now_s: float) -> bool:
        """Return whether it is fatal and has waited for something that says more."""
        return self.fatal_s is not None and now_s - self.fatal_s >= self.rule.grace_s

    def begin(self, phase: str, context: Iterable[Line]) -> None:
        """Begin in `phase`, after the lines `context` of the same voice."""
        self._phase = phase
        self._context = tuple(context)

    def add(self, line: Line, said: Mapping[str, str], *, window_s: float, pause_s: float) -> None:
        """Take in one more line and what the pattern found in it.

        No `window_s` counts all lines; `pause_s` is the longest between two of one run.
        """
        before = self._counts.get(line.stream, 0)
        counted = said.get("count", "")
        self._counts[line.stream] = max(before, int(counted)) if counted else before + 1
        self._keep(line)
        if self.fatal_s is None:
            self._said = said
        if window_s:
            times_s = self._times_s.setdefault(line.stream, deque(maxlen=self.rule.at_least))
            times_s.append(line.at_s)

        self._runs.setdefault(line.stream, _Run()).add(line.at_s, pause_s)

    def is_enough(self, window_s: float, after_s: float) -> bool:
        """Return whether it was seen as often as the rule asks for, or for as long."""
        if not self.rule.alone:
            return False
        if after_s and any(run.lasts(after_s) for run in self._runs.values()):
            return True
        if not window_s:
            return self.count >= self.rule.at_least
        return any(
            len(times_s) == self.rule.at_least and times_s[-1] - times_s[0] <= window_s
            for times_s in self._times_s.values()
        )

    def end_all(self, now_s: float, phase: str = "") -> None:
        """Become fatal, unless the rule only warns or somebody signed for it."""
        if self.rule.is_fatal and self.tracker is None and self.fatal_s is None:
            self.fatal_s = now_s
            self._phase = phase or self._phase

    def sighting(self) -> Sighting:
        """Return it as those who report read it."""
        weight = Weight.FATAL if self.fatal_s is not None else Weight.WARNING
        # One of several marks has not all the groups.
        said = {**dict.fromkeys(self.rule.groups, ""), **self._said}
        values = {name: _value(text) for name, text in said.items()}
        values |= {"count": str(self.count), "culprit": self.culprit}
        values["last"] = _value(words.text_of(self.words))
        quoted = sorted(dict.fromkeys((*self._context, *self.words, *self.lines)), key=_at_s)
        return Sighting(
            rule=self.rule.name, weight=Weight.ALLOWED if self.tracker else weight,
            blame=self.rule.blame, phase=self._phase, at_s=round(self.first_s, 1),
            # A group that did not match leaves a colon without text.
            cause=self.rule.cause.format_map(values).rstrip(" :;"),
            advice=self.rule.advice.format_map(values),
            source=self.rule.source, lines=tuple(line.quoted() for line in quoted),
            count=self.count, allowed_by=self.tracker,
        )  # fmt: skip

    def _keep(self, line: Line) -> None:
        # What console and journal both report is quoted once.
        if any(one.text == line.text and one.stream != line.stream for one in self.lines):
            return
        if len(self.lines) < _MOST_LINES:
            self.lines.append(line)
        elif self.fatal_s is None:
            self.lines[-1] = line  # the last so far may be the one that makes it fatal


@dataclass(slots=True)
class _Run:
    """Lines that follow each other without a long pause."""

    first_s: float = 0.0
    last_s: float = 0.0
    count: int = 0

    def add(self, at_s: float, pause_s: float) -> None:
        if not self.count or at_s - self.last_s > pause_s:
            self.first_s, self.count = at_s, 0
        self.last_s, self.count = max(self.last_s, at_s), self.count + 1

    def lasts(self, after_s: float) -> bool:
        return self.count >= _FEWEST_OF_A_RUN and self.last_s - self.first_s >= after_s


def _at_s(line: Line) -> float:
    return line.at_s


def same(one: tuple[str, ...], other: tuple[str, ...]) -> bool:
    """Return whether two keys are of the same fault; the console shortens names by `…`."""
    return all(_same(a, b) for a, b in zip(one, other, strict=True))


def _same(one: str, other: str) -> bool:
    if one == other:
        return True
    return _fits(one, other) or _fits(other, one)


def _fits(short: str, whole: str) -> bool:
    """Return whether `short` is `whole` without its middle; a guest may write any number of `…`."""
    head, gap, tail = short.partition(_ELLIPSIS)
    fits_in = len(head) + len(tail) <= len(whole)
    return bool(gap) and fits_in and whole.startswith(head) and whole.endswith(tail)


def _value(text: str) -> str:
    """Return what a guest said as a piece of a sentence of ours."""
    shown = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    return shortened(shown.rstrip("."), _LONGEST_VALUE)


def shortened(text: str, width: int) -> str:
    """Return `text` in at most `width` characters: it loses its middle, as errors end in causes."""
    if len(text) <= width:
        return text
    head = width // 2
    return f"{text[:head].rstrip()} {_ELLIPSIS} {text[len(text) - (width - head - 3) :].lstrip()}"
