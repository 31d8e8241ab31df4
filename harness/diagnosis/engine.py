"""Judge lines by rules as they arrive, and report what they mean.

The engine knows neither the format of a stream nor the name of a rule. A fault that several streams
report is one sighting, and their counts are not added up.
"""

from __future__ import annotations

import datetime
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from operator import itemgetter

from harness.diagnosis import words
from harness.diagnosis.allow import AllowEntry, AllowList
from harness.diagnosis.context import Context
from harness.diagnosis.line import Job, Line, Stream
from harness.diagnosis.mark import Hit, Mark, spoken
from harness.diagnosis.readers.systemd_words import is_systemd
from harness.diagnosis.rules import Predicate, Rule, Rulebook
from harness.diagnosis.stalls import Stalls
from harness.diagnosis.trace import Trace, same
from harness.diagnosis.words import Words
from harness.model.record import Sighting, Weight

_MOST_STARTED = 2048
_SHUTDOWN = "shutdown"  # names of marks that show that a boot goes down begin so
_MOST_TRACES = 200  # of one rule, since a guest may log any number of faults
_SPAN_S = {"d": 86400.0, "h": 3600.0, "min": 60.0, "s": 1.0}
_SPAN = re.compile(r"(\d+)(d|h|min|s)\b")


class Engine:
    """Judges one machine's lines. `factor` stretches every time for a guest that is slow.

    `arch` (as `uname -m` says it) and `today` are for the allow-list. Times are seconds since
    power-on.
    """

    def __init__(
        self,
        rulebook: Rulebook,
        allow: AllowList,
        factor: float,
        arch: str,
        today: datetime.date,
    ) -> None:
        self.rulebook = rulebook
        self._allow = allow
        self._factor = factor
        self._arch = arch
        self._today = today
        self._owners: dict[Mark, list[tuple[int, Rule]]] = {}
        for position, rule in enumerate(rulebook.rules):
            for mark in rule.marks:
                self._owners.setdefault(mark, []).append((position, rule))
        rules = rulebook.rules
        self._silence = tuple(rule for rule in rules if rule.predicate is Predicate.SILENCE)
        self._stalls = tuple(
            (rule, Stalls(rule.speaker))
            for rule in rules
            if rule.predicate is Predicate.STALL and rule.speaker
        )
        self._shutdown = frozenset(
            mark for name, mark in rulebook.marks.items() if name.startswith(_SHUTDOWN)
        )
        self._down_s: dict[int, float] = {}
        self._forgetting = tuple(rule for rule in rules if rule.unless_started)
        self._started_s: dict[tuple[int, str], float] = {}
        self._boot = 1
        self._words = Words()
        self._traces: dict[str, list[Trace]] = {rule.name: [] for rule in rulebook.rules}
        self._context = Context()
        self._in_phase: dict[tuple[str, str], bool] = {}
        self._now_s = 0.0

    @property
    def marks(self) -> tuple[Mark, ...]:
        """All marks of the rules."""
        return (*self._owners, *self._shutdown)

    def feed(self, line: Line, phase: str, hits: Sequence[Hit], place: str = "") -> None:
        """Take in the next line, which came in `phase`, and the marks in it.

        `place` is the phase that a report names, if that is another: not each unit that fails while
        the node image is pulled is a part of the pull.
        """
        self._now_s = max(self._now_s, line.at_s)
        self._boot = max(self._boot, line.boot)
        identifier, _ = spoken(line)
        is_systemds = is_systemd(identifier)
        self._words.remember(line, identifier, is_systemds=is_systemds)
        for _, stalls in self._stalls:
            stalls.feed(line, identifier, is_systemds=is_systemds)
        if line.job is Job.STARTED and line.unit:
            self._forget(line)
        if hits:
            self._judge(line, phase, hits, place or phase)
        self._context.remember(line, identifier)

    def _forget(self, started: Line) -> None:
        """Forget that a unit failed which has started after all."""
        if len(self._started_s) >= _MOST_STARTED:
            self._started_s.clear()
        self._started_s[started.boot, started.unit] = started.at_s
        for rule in self._forgetting:
            self._traces[rule.name][:] = [
                trace
                for trace in self._traces[rule.name]
                if not any(
                    (line.boot, line.unit) == (started.boot, started.unit) for line in trace.lines
                )
            ]

    def _judge(self, line: Line, phase: str, hits: Sequence[Hit], place: str) -> None:
        """Note a line for the first rule that fits it."""
        if any(hit.mark in self._shutdown for hit in hits):
            self._down_s.setdefault(line.boot, line.at_s)
        fitting = [(*owner, hit) for hit in hits for owner in self._owners.get(hit.mark, ())]
        for _, rule, hit in sorted(fitting, key=itemgetter(0)):
            if self._fits(rule, hit, phase):
                self._note(rule, line, hit.groups, phase if rule.phases else place)
                break

    def tick(self, now_s: float, last_byte_s: float, phase: str) -> None:
        """Take in that it is `now_s`, and that the last byte of any stream came `last_byte_s`."""
        self._now_s = max(self._now_s, now_s)
        is_pulling = self._tick_stalls(now_s, phase)
        for rule in () if is_pulling else self._silence:
            if now_s - last_byte_s <= rule.over_s * self._factor or not self._is_in(rule, phase):
                continue
            if any(trace.lines[-1].at_s > last_byte_s for trace in self._traces[rule.name]):
                continue
            text = f"no byte on any stream for {now_s - last_byte_s:.0f} s"
            line = Line(stream=Stream.HARNESS, at_s=now_s, text=text)
            self._note(rule, line, {"seconds": f"{now_s - last_byte_s:.0f}"}, phase)

    def _tick_stalls(self, now_s: float, phase: str) -> bool:
        """Note stalled units; return whether a unit is running that may be silent for a while."""
        may_be_silent = False
        if self._boot in self._down_s:
            return False
        for rule, stalls in self._stalls:
            for work in stalls.working(self._boot):
                silent_s = now_s - work.news_s
                may_be_silent |= not work.reports
                if silent_s <= rule.over_s * max(1.0, self._factor) or not self._is_in(rule, phase):
                    continue
                if any(trace.key == (work.unit,) for trace in self._traces[rule.name]):
                    continue
                text = f"nothing new from {work.unit} for {silent_s:.0f} s"
                line = Line(stream=Stream.HARNESS, at_s=now_s, text=text, boot=work.boot)
                said = {"unit": work.unit, "seconds": f"{silent_s:.0f}"}
                self._note(rule, line, said, phase)
        return may_be_silent

    def fatal(self, now_s: float) -> Sighting | None:
        """Return what ends the wait at `now_s`, None if nothing does (yet).

        Of several, those of the highest rank, and of these the first.
        """
        self._now_s = max(self._now_s, now_s)
        fatal = [trace for trace in self._all() if trace.fatal_s is not None]
        if not any(trace.is_ripe(self._now_s) for trace in fatal):
            return None
        explained = {name for trace in fatal for name in (trace.rule.name, trace.rule.group)}
        for trace in self._all():
            if trace.fatal_s is None and explained & set(trace.rule.explains):
                trace.end_all(self._now_s)
                fatal += [trace] if trace.fatal_s is not None else []
        best = max(fatal, key=lambda trace: (trace.rule.rank, -trace.first_s))
        self._complete(best)
        return best.sighting()

    @property
    def sightings(self) -> tuple[Sighting, ...]:
        """Everything that the rules saw so far, by its time."""
        for trace in self._all():
            self._complete(trace)
        shown = (trace.sighting() for trace in self._all() if trace.is_shown)
        return tuple(sorted(shown, key=lambda sighting: sighting.at_s))

    @property
    def warnings(self) -> tuple[Sighting, ...]:
        """The sightings that end nothing and that nobody signed for."""
        return tuple(one for one in self.sightings if one.weight is Weight.WARNING)

    @property
    def half_counted(self) -> tuple[Sighting, ...]:
        """The sightings of fatal rules that were not seen often enough, nor long enough."""
        counting = [
            trace
            for trace in self._all()
            if trace.rule.is_fatal
            and trace.rule.alone
            and trace.is_shown
            and not (trace.fatal_s or trace.tracker)
        ]
        counting.sort(key=lambda trace: -trace.count / trace.rule.at_least)
        return tuple(trace.sighting() for trace in counting)

    def _all(self) -> Iterator[Trace]:
        return (
            trace
            for traces in self._traces.values()
            for trace in traces
            if not (trace.rule.before_shutdown and self._is_of_shutdown(trace))
        )

    def _is_of_shutdown(self, trace: Trace) -> bool:
        """Return whether a boot was going down, as another stream reported later."""
        boot = max((line.boot for line in trace.lines), default=0)
        return trace.first_s >= self._down_s.get(boot, math.inf)

    def _fits(self, rule: Rule, hit: Hit, phase: str) -> bool:
        lasts_enough = not rule.over_s or _lasts_s(hit.groups) > rule.over_s * self._factor
        if not lasts_enough or not self._is_in(rule, phase) or self._is_too_late(rule, hit):
            return False
        return not rule.unless_started or not self._has_started(hit)

    def _has_started(self, hit: Hit) -> bool:
        started_s = self._started_s.get((hit.boot, hit.groups.get("unit", "")), -math.inf)
        return started_s >= hit.at_s

    def _is_too_late(self, rule: Rule, hit: Hit) -> bool:
        """Return whether the boot was already shutting down, and `rule` ignores such lines."""
        return rule.before_shutdown and hit.at_s >= self._down_s.get(hit.boot, math.inf)

    def _is_in(self, rule: Rule, phase: str) -> bool:
        if not rule.phases:
            return True
        key = (rule.name, phase)
        if key not in self._in_phase:
            self._in_phase[key] = any(fnmatchcase(phase, glob) for glob in rule.phases)
        return self._in_phase[key]

    def _note(self, rule: Rule, line: Line, said: Mapping[str, str], phase: str) -> None:
        entry = self._allow.entry_for(rule.name, line, self._arch, self._today)
        last = words.alike(words.text_of(self._last(line))) if "last" in rule.per else ""
        named = {**said, "last": last}
        trace = self._trace(rule, entry, tuple(named.get(name, "") for name in rule.per))
        if not trace.lines:
            before = self._context.before(line, said.get("identifier", ""))
            trace.begin(phase, before if rule.is_fatal else ())
        window_s = rule.within_s * (self._factor if rule.stretches else 1.0)
        after_s = rule.or_after_s * max(1.0, self._factor)
        trace.add(line, said, window_s=window_s, pause_s=after_s / 2)
        self._complete(trace)
        if trace.is_enough(window_s, after_s):
            trace.end_all(self._now_s, phase)

    def _complete(self, trace: Trace) -> None:
        """Add what the unit that failed wrote last, which may come later by another stream."""
        if trace.words or not trace.rule.names_words or not trace.lines:
            return
        failed = trace.lines[0]
        if failed.job is Job.DEPENDENCY:
            trace.culprit = trace.culprit or self._words.culprit(failed)
        trace.words = self._last(failed, trace.culprit)

    def _last(self, failed: Line, culprit: str = "") -> tuple[Line, ...]:
        if failed.stream is Stream.EVENTS:
            return self._words.last_of_stage(failed)
        if failed.job is Job.DEPENDENCY and not culprit:
            return ()
        unit = culprit or failed.unit
        return self._words.last(unit, failed) if unit else ()

    def _trace(self, rule: Rule, entry: AllowEntry | None, key: tuple[str, ...]) -> Trace:
        tracker = entry.tracker if entry else None
        traces = self._traces[rule.name]
        alike = [trace for trace in traces if trace.tracker == tracker]
        known = next((trace for trace in alike if same(trace.key, key)), None)
        if known is not None or len(alike) >= _MOST_TRACES:
            return known or alike[-1]
        traces.append(Trace(rule=rule, tracker=tracker, key=key))
        return traces[-1]


def _lasts_s(said: Mapping[str, str]) -> float:
    """Return how long something lasts by the groups `seconds`, or `span` as systemd writes it."""
    if "seconds" in said:
        return float(said["seconds"] or 0)
    return sum(
        float(number) * _SPAN_S[unit] for number, unit in _SPAN.findall(said.get("span", ""))
    )
