"""Marks, which describe a line of a stream, and the index that finds them.

Phases are intervals between marks (`phases`). Rules are verdicts on lines that fit marks
(`engine`). The index compares every line once with all marks; phases and rules decide what a hit
means. `mark_table` has the marks with a name, which several tables can use.
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
# A guest may name any number of programs and units, so the number of cached ones is limited.
_MOST_VOICES = 2048
_MOST_PATTERNS = 1024  # each machine has an index of the same marks
_KERNEL = "kernel"
IGNITION = "ignition"
# These programs log commands of others; the text of a command is not a message.
_QUOTING = ("sudo",)
# How the emergency shell prints the journal: `Nov 23 13:50:00 host ignition[678]: text`.
_DATED = re.compile(r"[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d (?:\S+ )?([\w.@()-]+)\[\d+\]: ")
# Ignition prints the level before the message if it cannot reach the journal's socket.
_LEVEL = re.compile(r"(?:DEBUG|INFO|NOTICE|WARNING|ERROR|CRITICAL|ALERT|EMERGENCY) *: ")
_ESCAPED_OR_CLASS = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]")
_GROUP = re.compile(r"\([^()]*\)")

_Marked = TypeVar("_Marked", bound="Mark")
_Search = Callable[[str], re.Match[str] | None]


class Mark(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a line must contain. All given fields must fit, and one of them must identify the line.

    `of` is a named mark; its fields apply where this mark has none. `identifier` must fit the whole
    name of the program that wrote the line, `unit` the whole name of the unit that wrote the line
    or that systemd writes about. `speaker` must fit the program or the unit that wrote the line.
    systemd's lines about the unit do not fit it. It is needed because the journal labels a unit's
    lines with the program's name, which may be a wrapper or a shell.

    `job` is what systemd reports of the unit. `described` is the unit's description; for a unit
    with a long name, a console shows only this. `event` is `stage state`, as the guest reports it.
    `text` is searched for in the message, which must contain `also` too. The default of `streams`
    is console, journal and Ignition's port; for an `event`, the stream of events.
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
        """The mark alone, without the fields that a phase or rule adds."""
        return Mark(**{name: getattr(self, name) for name in Mark.__struct_fields__})

    @property
    def heard_on(self) -> frozenset[Stream]:
        """The streams that can show it."""
        return self.streams or (_EVENTS if self.event else USUAL_STREAMS)

    @property
    def identifies(self) -> bool:
        """Whether it identifies a line; if not, only other marks can use it as their base."""
        return bool(self.event or self.text or (self.job and (self.unit or self.described)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """A mark that a line showed, in `boot` at `at_s` seconds since power-on.

    `groups` has the groups of the text by name, empty if a group did not match, and always `unit`
    and `identifier`.
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
    """Yield the contradictions between the fields of a mark, each with its remedy."""
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
    """Finds the marks that a line fits, without comparing every line with every mark."""

    def __init__(self, marks: Iterable[Mark]) -> None:
        probes = tuple((mark, _search(mark)) for mark in dict.fromkeys(marks))
        self._probes = {
            stream: tuple(probe for probe in probes if stream in probe[0].heard_on)
            for stream in Stream
        }
        self._speakers = {mark.speaker for mark, _ in probes if mark.speaker}
        # By stream, program, unit (or event) and job.
        self._candidates = lru_cache(_MOST_VOICES)(self._fitting)

    def hits(self, line: Line) -> tuple[Hit, ...]:
        """Return the marks that `line` fits, in the order in which they were added."""
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
        # A line of systemd about a unit is not a line of the unit.
        who = (identifier,) if systemd_words.is_systemd(identifier) else (identifier, about)
        speaks = {speaker: any(map(speaker.fullmatch, who)) for speaker in self._speakers}
        return tuple(
            (mark, search)
            for mark, search in self._probes[stream]
            if (mark.identifier is None or mark.identifier.fullmatch(identifier))
            and (mark.speaker is None or speaks[mark.speaker])
            and (mark.unit is None or mark.unit.fullmatch(about))
            and mark.job in (Job.NONE, job)
            and mark.event in ("", about)
            and not (mark.described and about)
        )


def spoken(line: Line) -> tuple[str, str]:
    """Return the program and the message of a line, equal for all streams of one message."""
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
    """Return whether a console line is a later quotation of the journal."""
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
    """Return the function that finds the mark's text; it is faster for an anchored pattern."""
    pattern = mark.text or _ANYTHING
    return pattern.match if mark.text is None or _is_anchored(pattern.pattern) else pattern.search


@lru_cache(_MOST_PATTERNS)
def _is_anchored(pattern: str) -> bool:
    bare, count = _ESCAPED_OR_CLASS.sub("", pattern), 1
    while count:
        bare, count = _GROUP.subn("", bare)
    return bare.startswith("^") and "|" not in bare
