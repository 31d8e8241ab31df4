"""Rules of diagnosis as values, read from `fixtures/diagnosis/rules.toml` and checked whole.

A rule gives the cause that a mark (or silence) shows, who is at fault, and what to do. `engine`
applies rules to lines. A project's own rules have the same form and apply first. docs/diagnosis.md
explains how to write one.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from string import Formatter
from typing import Annotated, Literal

import msgspec

from harness import tables
from harness.diagnosis import mark_table
from harness.diagnosis.mark import Mark, built_on, faults
from harness.diagnosis.phases import names as phase_names
from harness.folders import fixture
from harness.model.errors import InputError
from harness.model.record import Blame, Weight
from harness.tables import Tables

DEFAULT = "diagnosis/rules.toml"
_KEY = "rule"
# The fields that cause and advice can use, besides the groups of the pattern.
_ALWAYS = frozenset({"count", "identifier", "unit", "last", "culprit"})
_OF_SILENCE = frozenset({"seconds"})
_OF_TIME = frozenset({"seconds", "span"})
_HARMLESS = "harmless"
_MOST_RULES = 1024

_Name = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")]
_Text = Annotated[str, msgspec.Meta(pattern=r"\S")]
_OneLine = Annotated[str, msgspec.Meta(pattern=r"^[^\n]*\S[^\n]*$")]
_Seconds = Annotated[float, msgspec.Meta(ge=0)]
_Names = tuple[_Text, ...]


class Predicate(StrEnum):
    """A condition that no single line shows.

    `SILENCE`: no stream has had a byte for `over_s`. `STALL`: a unit that fits the rule's `speaker`
    is running, and has written nothing new for `over_s`.
    """

    SILENCE = "silence"
    STALL = "stall"


class Rule(Mark, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The meaning of a line. A rule has the fields of a mark, or a `predicate`.

    A line belongs to the first rule that fits it. With `any_of`, one of these marks must fit; each
    inherits the rule's own fields. `phases` are names with the wildcard `*`; empty means all.
    `over_s` is the minimum length of the silence, or of the text's group `seconds` or `span`, with
    hardware acceleration. `per` names the groups by which sightings of a rule are separated.

    A fatal rule is a warning until it has fitted `at_least` times. With `within_s` it must fit that
    often within this time, which is longer for a slow guest if the rule `stretches`. With
    `or_after_s` it is also fatal after a few fits over this time, without a pause of half of it.
    The warning is shown after `shown_from` fits. A rule of weight `warning` is shown after
    `at_least` fits. A `harmless` rule is never shown, and keeps its lines from the rules after it.
    If the text has a group `count`, its number is used instead of the number of lines. With
    `before_shutdown`, lines of a boot that is shutting down are ignored. With `unless_started`, a
    failed unit that starts later is ignored.

    A fatal sighting waits `grace_s` for one of a higher `rank`. A rule that `explains` another
    rule, or a `group` of rules, becomes fatal as soon as one of these does. If it is not fatal
    `alone`, it cannot become fatal in another way.
    """

    name: _Name
    blame: Blame
    weight: Literal["fatal", "warning", "harmless"]
    cause: _OneLine
    advice: _OneLine
    source: _OneLine
    any_of: tuple[Mark, ...] = ()
    predicate: Predicate | None = None
    phases: _Names = ()
    per: _Names = ()
    over_s: _Seconds = 0.0
    at_least: Annotated[int, msgspec.Meta(ge=1)] = 1
    shown_from: Annotated[int, msgspec.Meta(ge=1)] = 1
    or_after_s: _Seconds = 0.0
    before_shutdown: bool = False
    unless_started: bool = False
    alone: bool = True
    within_s: _Seconds = 0.0
    stretches: bool = True
    grace_s: _Seconds = 0.0
    rank: Annotated[int, msgspec.Meta(ge=-9, le=9)] = 0
    group: str = ""
    explains: tuple[_Name, ...] = ()

    @property
    def marks(self) -> tuple[Mark, ...]:
        """The marks of which one must fit; empty for a rule with a predicate."""
        return () if self.predicate else _marks_of(self)

    @property
    def is_fatal(self) -> bool:
        """Whether it ends the wait after enough fits."""
        return self.weight == Weight.FATAL.value

    @property
    def is_harmless(self) -> bool:
        """Whether its lines are ignored."""
        return self.weight == _HARMLESS

    @property
    def names_words(self) -> bool:
        """Whether its cause contains the last words of the failed unit."""
        return "{last}" in self.cause or "{culprit}" in self.cause

    @property
    def groups(self) -> frozenset[str]:
        """The names of the groups of its texts."""
        return frozenset(name for mark in self.marks if mark.text for name in mark.text.groupindex)

    @property
    def known(self) -> frozenset[str]:
        """The fields that cause and advice can have in braces."""
        return self.groups | _ALWAYS | (_OF_SILENCE if self.predicate else frozenset())


@dataclass(frozen=True, slots=True, kw_only=True)
class Rulebook:
    """Rules in the order in which they are compared with a line, and the named marks."""

    rules: tuple[Rule, ...] = ()
    marks: Mapping[str, Mark] = field(default_factory=mark_table.shipped)

    @property
    def explainable(self) -> frozenset[str]:
        """The names that a rule can explain: the names of fatal rules and of their groups."""
        fatal = [rule for rule in self.rules if rule.is_fatal]
        return frozenset(name for rule in fatal for name in (rule.name, rule.group) if name)


@lru_cache(_MOST_RULES)  # each machine has an engine of the same rules
def _marks_of(rule: Rule) -> tuple[Mark, ...]:
    return tuple(built_on(mark, rule).plain for mark in rule.any_of) or (rule.plain,)


@lru_cache(1)
def shipped() -> Rulebook:
    """Return the rules of this repository, which every run has."""
    return _read(tables.read(fixture(DEFAULT), _KEY, mark_table.KEY), Rulebook(), Rulebook())


def load(paths: Iterable[Path]) -> Rulebook:
    """Return the rules of files, then the shipped rules that they do not replace.

    Raises:
        InputError: a file cannot be read, or an entry is wrong; the message names the entry.
    """
    own = Rulebook()
    for path in paths:
        remedy = "Name a TOML file with --rules, or remove the option."
        listed = tables.read(path, _KEY, mark_table.KEY, subject=f"rules {path}", remedy=remedy)
        own = _read(listed, own, shipped())
    names = {rule.name for rule in own.rules}
    rest = (rule for rule in shipped().rules if rule.name not in names)
    return Rulebook(rules=(*own.rules, *rest), marks=own.marks)


def parse(text: str, subject: str) -> tuple[Rule, ...]:
    """Return the rules of a TOML text; errors call it `subject`.

    Raises:
        InputError: it is not TOML, or a rule is malformed.
    """
    listed = tables.parse(text, subject, _KEY, mark_table.KEY)
    return _read(listed, Rulebook(), Rulebook()).rules


def _read(listed: Tables, before: Rulebook, others: Rulebook) -> Rulebook:
    """Return `before` with the rules of a file, which may also explain rules of `others`."""
    marks = mark_table.marks_of(listed, before.marks)
    entries = [
        (where, _resolved(entry, marks, where)) for where, entry in listed.entries(_KEY, Rule)
    ]
    names = [rule.name for rule in before.rules]
    for where, rule in entries:
        if rule.name in names:
            raise InputError(where, "the name is used twice", "Rename one of the two.")
        names.append(rule.name)
    book = Rulebook(rules=(*before.rules, *(rule for _, rule in entries)), marks=marks)
    explainable = book.explainable | others.explainable
    for where, rule in entries:
        for problem, remedy in _faults(rule, explainable):
            raise InputError(where, problem, remedy)
    return book


def _resolved(rule: Rule, named: Mapping[str, Mark], where: str) -> Rule:
    """Return a rule whose marks have the fields of the marks that they refer to."""
    any_of = tuple(mark_table.resolve(mark, named, where) for mark in rule.any_of)
    return msgspec.structs.replace(mark_table.resolve(rule, named, where), any_of=any_of)


def _faults(rule: Rule, explainable: frozenset[str]) -> Iterator[tuple[str, str]]:
    """Yield the contradictions between the fields of a rule, each with its remedy."""
    stall = Mark(speaker=rule.speaker) if rule.predicate is Predicate.STALL else Mark()
    if bool(rule.predicate) == (rule.plain != stall or bool(rule.any_of)):
        yield "needs either predicate or the fields of a mark", "Use exactly one of the two."
    if rule.predicate is Predicate.STALL and not rule.speaker:
        yield "has no speaker", "Add speaker, the unit whose lines must not stop."
    for mark in rule.marks:
        yield from faults(mark)
    if strange := sorted({*rule.explains} - explainable):
        known = ", ".join(sorted(explainable))
        problem = f"{', '.join(strange)} in explains is not a fatal rule"
        yield problem, f"Use one of: {known}."
    if unknown := sorted(glob for glob in rule.phases if not fnmatch.filter(phase_names(), glob)):
        known = f"Use some of: {', '.join(phase_names())}; `*` is a wildcard."
        yield f"no phase is called {', '.join(unknown)}, named in phases", known
    if rule.over_s and not (rule.predicate or rule.groups & _OF_TIME):
        yield "has over_s without a time in its text", "Add a group 'seconds' or 'span'."
    if rule.predicate and not rule.over_s:
        yield "has no over_s", "Add over_s, the length of the silence in seconds."
    if not rule.alone and not rule.explains:
        yield "has alone = false without explains", "Add explains, or remove alone."
    if rule.or_after_s and rule.at_least == 1:
        yield "has or_after_s without at_least", "Add at_least, the number of times that suffices."
    if rule.within_s and rule.at_least == 1:
        yield "has within_s without at_least", "Add at_least, the number of times within within_s."
    if (rule.grace_s or rule.explains) and not rule.is_fatal:
        yield "grace_s and explains need a fatal rule", "Remove grace_s and explains."
    if strangers := sorted({*rule.per} - rule.groups - {"unit", "identifier", "last"}):
        yield f"unknown group {', '.join(strangers)} in per", "Add the group to the text."
    yield from _faults_of_words(rule)


def _faults_of_words(rule: Rule) -> Iterator[tuple[str, str]]:
    known = f"Use only: {', '.join(sorted(rule.known))}."
    for name, text in (("cause", rule.cause), ("advice", rule.advice)):
        if fault := _template_fault(text, rule.known):
            yield f"{name} {fault}", known
    if rule.cause.endswith("."):
        yield "cause ends with a full stop", "Remove it; the cause is part of a line."


def _template_fault(text: str, known: frozenset[str]) -> str:
    try:
        named = [name for _, name, _, _ in Formatter().parse(text) if name is not None]
    except ValueError as exc:
        return f"cannot be filled in: {exc}"
    strange = sorted(set(named) - known)
    return f"has unknown fields: {', '.join(strange)}" if strange else ""
