"""Rules of diagnosis as values, read from `fixtures/diagnosis/rules.toml` and checked whole.

A rule says which mark (or silence) shows what, whose fault it is, and what to do about it. What
rules make of lines is `engine`'s. A project's own rules have the same form and are asked first. How
to write one is in docs/diagnosis.md.
"""

from __future__ import annotations

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
from harness.folders import fixture
from harness.model.errors import InputError
from harness.model.record import Blame, Weight
from harness.tables import Tables

DEFAULT = "diagnosis/rules.toml"
_KEY = "rule"
# What a text can name besides the groups of its pattern.
_ALWAYS = frozenset({"count", "identifier", "unit", "last", "culprit"})
_OF_SILENCE = frozenset({"seconds"})
_OF_TIME = frozenset({"seconds", "span"})
_HARMLESS = "harmless"

_Name = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")]
_Text = Annotated[str, msgspec.Meta(pattern=r"\S")]
_OneLine = Annotated[str, msgspec.Meta(pattern=r"^[^\n]*\S[^\n]*$")]
_Seconds = Annotated[float, msgspec.Meta(ge=0)]
_Names = tuple[_Text, ...]


class Predicate(StrEnum):
    """What no single line shows.

    `SILENCE`: no byte came on any stream for `over_s`. `STALL`: a unit that fits the rule's
    `speaker` works, and has said nothing new for `over_s`.
    """

    SILENCE = "silence"
    STALL = "stall"


class Rule(Mark, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a line means. It has the fields of a mark, or a `predicate`.

    A line belongs to the first rule that fits it. With `any_of` one of these marks has to fit, each
    built on the rule's own fields. `phases` are names with `*`, none of them meaning all. `over_s`
    is how long the silence, or the text's group `seconds` or `span`, has to be, for hardware
    acceleration. `per` names the groups by which one trouble is told from another of the same rule.

    A fatal rule is a warning until it has fitted `at_least` times, within `within_s` where that is
    set, a time that is longer for a slow guest if it `stretches`, or until it has gone on for
    `or_after_s`, some tries at least, without a pause of half that; the warning is not shown before
    it has fitted `shown_from` times. Another rule is not shown before `at_least`, and a `harmless`
    one never: it takes its lines from the rules after it. A text's group `count` counts instead of
    the lines. A rule with `before_shutdown` leaves lines of a boot that is going down, and one
    with `unless_started` forgets a unit that starts after all.
    A fatal sighting waits `grace_s` for one of a higher `rank`. One that `explains` a rule, or
    rules by their `group`, is fatal, too, as soon as one of these is, and no sooner unless it is
    fatal `alone`.
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
        """The marks of which one has to fit; none if no line shows it."""
        if self.predicate:
            return ()
        return tuple(built_on(mark, self).plain for mark in self.any_of) or (self.plain,)

    @property
    def is_fatal(self) -> bool:
        """Whether it ends the wait when it was seen often enough."""
        return self.weight == Weight.FATAL.value

    @property
    def is_harmless(self) -> bool:
        """Whether its lines mean nothing at all."""
        return self.weight == _HARMLESS

    @property
    def names_words(self) -> bool:
        """Whether its cause names what the unit that failed wrote last."""
        return "{last}" in self.cause or "{culprit}" in self.cause

    @property
    def groups(self) -> frozenset[str]:
        """The names of the groups of its texts."""
        return frozenset(name for mark in self.marks if mark.text for name in mark.text.groupindex)

    @property
    def known(self) -> frozenset[str]:
        """What cause and advice can name in braces."""
        return self.groups | _ALWAYS | (_OF_SILENCE if self.predicate else frozenset())


@dataclass(frozen=True, slots=True, kw_only=True)
class Rulebook:
    """Rules in the order in which a line is held against them, and the named marks beside them."""

    rules: tuple[Rule, ...] = ()
    marks: Mapping[str, Mark] = field(default_factory=mark_table.shipped)

    @property
    def explainable(self) -> frozenset[str]:
        """The names that a rule can explain: those of fatal rules and of their groups."""
        fatal = [rule for rule in self.rules if rule.is_fatal]
        return frozenset(name for rule in fatal for name in (rule.name, rule.group) if name)


@lru_cache(1)
def shipped() -> Rulebook:
    """Return the rules that every run has."""
    return _read(tables.read(fixture(DEFAULT), _KEY, mark_table.KEY), Rulebook(), Rulebook())


def load(paths: Iterable[Path]) -> Rulebook:
    """Return the rules of files before those that are shipped, of which they may replace some.

    Raises:
        InputError: a file cannot be read, or something in it is wrong; the entry is named.
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
    """Return the rules of a TOML text; `subject` is what an error calls it.

    Raises:
        InputError: it is not TOML, or a rule is malformed.
    """
    listed = tables.parse(text, subject, _KEY, mark_table.KEY)
    return _read(listed, Rulebook(), Rulebook()).rules


def _read(listed: Tables, before: Rulebook, others: Rulebook) -> Rulebook:
    """Return `before` and what a file adds; its rules may explain those of `others` as well."""
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
    """Return a rule whose marks have the fields of those that they build on."""
    any_of = tuple(mark_table.resolve(mark, named, where) for mark in rule.any_of)
    return msgspec.structs.replace(mark_table.resolve(rule, named, where), any_of=any_of)


def _faults(rule: Rule, explainable: frozenset[str]) -> Iterator[tuple[str, str]]:
    """Give what is wrong between the fields of a rule, and what to do about each."""
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
