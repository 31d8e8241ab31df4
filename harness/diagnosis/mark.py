"""Marks: what a line of any stream must show to mean something, and the one index of them all.

Phases are intervals between marks (`phases`), rules are verdicts over marks (`engine`). Every line
is asked once, by the index; what a hit means is for those to say whose mark it is. Marks that have
a name, so that several tables can use them, are `mark_table`'s.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, TypeVar

import msgspec

from harness.diagnosis.line import Job, Line, Stream
from harness.diagnosis.readers import systemd_words

USUAL_STREAMS = frozenset({Stream.CONSOLE, Stream.JOURNAL, Stream.IGNITION})
_EVENTS = frozenset({Stream.EVENTS})
# A guest may name any number of programs and units: so many combinations are remembered.
_MOST_VOICES = 2048
_KERNEL = "kernel"
IGNITION = "ignition"
# They log other people's commands, whose words are no sign of anything.
_QUOTING = ("sudo",)
# What the emergency shell shows of the journal: `Nov 23 13:50:00 host ignition[678]: text`.
_DATED = re.compile(r"[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d (?:\S+ )?([\w.@()-]+)\[\d+\]: ")
# Ignition puts its level before what it prints where it does not reach the journal's socket.
_LEVEL = re.compile(r"(?:DEBUG|INFO|NOTICE|WARNING|ERROR|CRITICAL|ALERT|EMERGENCY) *: ")
_ESCAPED_OR_CLASS = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]")
_GROUP = re.compile(r"\([^()]*\)")

_Marked = TypeVar("_Marked", bound="Mark")
_Search = Callable[[str], re.Match[str] | None]


class Mark(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a line must show: all that is given, and at least one thing that identifies it.

    `of` is a named mark whose fields it takes over where it has none. `identifier` and `unit` have
    to fit the whole of the program that spoke and of the unit spoken of; `speaker` the one or the
    other, but not what systemd says of the unit: the journal names a unit's lines after the program
    that it runs, which may be a wrapper or a shell. `job` is systemd's word on the unit,
    `described` its description, all that is left of a long name on a console. `event` is
    `stage state`, as the guest reports. `text` is searched for, and `also` has to be in the text,
    too. `streams` are console, journal and Ignition's port if none are given, for an `event` those
    of events.
    """

    of: str = ""
    streams: Annotated[frozenset[Stream], msgspec.Meta(min_length=1)] = frozenset()
    identifier: re.Pattern[str] | None = None
    speaker: re.Pattern[str] | None = None
    unit: re.Pattern[str] | None = None
    job: Job = Job.NONE
    described: str = ""
    event: str = ""
    text: re.Pattern[str] | None = None
    also: re.Pattern[str] | None = None

    @property
    def plain(self) -> Mark:
        """The mark alone, without what a phase or rule adds to it."""
        return Mark(**{name: getattr(self, name) for name in Mark.__struct_fields__})

    @property
    def heard_on(self) -> frozenset[Stream]:
        """The streams that can show it."""
        return self.streams or (_EVENTS if self.event else USUAL_STREAMS)

    @property
    def identifies(self) -> bool:
        """Whether it says enough to be looked for; one that does not is for others to build on."""
        return bool(self.event or self.text or (self.job and (self.unit or self.described)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """A mark that a line showed, in `boot` at `at_s` seconds since power-on.

    `groups` are those of the text by name, empty where one took no part, and always `unit` and
    `identifier`.
    """

    mark: Mark
    boot: int
    at_s: float
    groups: Mapping[str, str]


def built_on(mark: _Marked, base: Mark) -> _Marked:
    """Return `mark` with the fields of `base` where it has none of its own."""
    missing = {
        name: getattr(base, name)
        for name in Mark.__struct_fields__
        if not getattr(mark, name) or name == "of"
    }
    return msgspec.structs.replace(mark, **missing)


def faults(mark: Mark) -> Iterator[tuple[str, str]]:
    """Give what is wrong between the fields of a mark, and what to do about each."""
    about_unit = bool(mark.unit or mark.described)
    if mark.event and (about_unit or mark.identifier or mark.speaker):
        yield "has event with a unit or program", "Remove unit, described, identifier and speaker."
    if mark.event and mark.streams - _EVENTS:
        yield "has event with streams", "Remove streams."
    if mark.job and not about_unit:
        yield "has job without a unit", "Add unit or described."
    if mark.unit and mark.described:
        yield "has both unit and described", "Remove one of them; a line has only one."
    if about_unit and not mark.job and (mark.described or not mark.text):
        known = ", ".join(job for job in Job if job)
        yield "has a unit without job or text", f"Add text, or job with one of: {known}."
    if not (mark.event or mark.text or mark.job or about_unit):
        yield "matches nothing", "Add text, event, or unit and job."


class Index:
    """Finds the marks that a line shows, without asking every mark of every line."""

    def __init__(self, marks: Iterable[Mark]) -> None:
        self._probes = tuple((mark, _search(mark)) for mark in dict.fromkeys(marks))
        self._speakers = {mark.speaker for mark, _ in self._probes if mark.speaker}
        # By stream, program, unit (or event) and job.
        self._candidates = lru_cache(_MOST_VOICES)(self._fitting)

    def hits(self, line: Line) -> tuple[Hit, ...]:
        """Return the marks that `line` shows, in the order in which the index got them."""
        identifier, text = spoken(line)
        if identifier in _QUOTING:
            return ()
        about = text.partition(":")[0] if line.stream is Stream.EVENTS else line.unit
        candidates = self._candidates(line.stream, identifier, about, line.job)
        found = [
            (mark, match)
            for mark, search in candidates
            if (match := search(text)) is not None
            and _is_described(mark, text)
            and (mark.also is None or mark.also.search(text))
        ]
        said = {"unit": line.unit, "identifier": identifier}
        return tuple(
            Hit(mark=mark, boot=line.boot, at_s=line.at_s, groups={**said, **match.groupdict("")})
            for mark, match in found
        )

    def _fitting(
        self, stream: Stream, identifier: str, about: str, job: Job
    ) -> tuple[tuple[Mark, _Search], ...]:
        # What systemd says of a unit is not what the unit says.
        who = (identifier,) if systemd_words.is_systemd(identifier) else (identifier, about)
        speaks = {speaker: any(map(speaker.fullmatch, who)) for speaker in self._speakers}
        return tuple(
            (mark, search)
            for mark, search in self._probes
            if stream in mark.heard_on
            and (mark.identifier is None or mark.identifier.fullmatch(identifier))
            and (mark.speaker is None or speaks[mark.speaker])
            and (mark.unit is None or mark.unit.fullmatch(about))
            and mark.job in (Job.NONE, job)
            and mark.event in ("", about)
            and not (mark.described and about)
        )


def spoken(line: Line) -> tuple[str, str]:
    """Return who said what in a line, the same for a message that comes by several streams."""
    identifier, text = line.identifier, line.text
    if line.stream is Stream.CONSOLE and not identifier:
        if line.uptime_s is not None:
            identifier = _KERNEL
        elif (dated := _DATED.match(text)) is not None:
            identifier, text = dated[1], text[dated.end() :]
    if identifier == IGNITION and (level := _LEVEL.match(text)) is not None:
        text = text[level.end() :]
    return identifier, text


def is_repeated(line: Line) -> bool:
    """Return whether a line quotes the journal on the console, when it is long over."""
    return (
        line.stream is Stream.CONSOLE
        and not line.identifier
        and line.uptime_s is None
        and _DATED.match(line.text) is not None
    )


def _is_described(mark: Mark, text: str) -> bool:
    return not mark.described or text.rstrip(".").endswith(mark.described)


_ANYTHING = re.compile("")


def _search(mark: Mark) -> _Search:
    """Return what finds the mark's text: at the begin alone where it can be nowhere else."""
    pattern = mark.text or _ANYTHING
    return pattern.match if mark.text is None or _is_anchored(pattern.pattern) else pattern.search


def _is_anchored(pattern: str) -> bool:
    bare, count = _ESCAPED_OR_CLASS.sub("", pattern), 1
    while count:
        bare, count = _GROUP.subn("", bare)
    return bare.startswith("^") and "|" not in bare
