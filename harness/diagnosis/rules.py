"""Rules of diagnosis as values, read from `fixtures/diagnosis/rules.toml` and checked whole.

A rule says which line (or silence) shows what, whose trouble it is, and what to do about it. What
rules make of lines is `engine`'s. How to write one is in docs/diagnosis.md.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from string import Formatter
from typing import Annotated, Literal

import msgspec

from harness.diagnosis import tables
from harness.diagnosis.line import Stream
from harness.folders import fixture
from harness.model.errors import InputError
from harness.model.record import Blame, Weight

DEFAULT = "diagnosis/rules.toml"
_KEY = "rule"
# What a text can name besides the groups of its pattern.
_ALWAYS = frozenset({"count", "identifier", "unit"})
_OF_SILENCE = frozenset({"seconds"})
_OF_TIME = frozenset({"seconds", "span"})

_Name = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")]
_Text = Annotated[str, msgspec.Meta(pattern=r"\S")]
_OneLine = Annotated[str, msgspec.Meta(pattern=r"^[^\n]*\S[^\n]*$")]
_Seconds = Annotated[float, msgspec.Meta(ge=0)]
_Names = tuple[_Text, ...]
_USUAL_STREAMS = frozenset({Stream.CONSOLE, Stream.JOURNAL, Stream.IGNITION})


class Predicate(StrEnum):
    """What no single line shows. `SILENCE`: no byte came on any stream for `over_s`."""

    SILENCE = "silence"


class Rule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a line means. It has a `pattern`, searched for in the line's text, or a `predicate`.

    A line belongs to the first rule that fits it. `identifier` and `unit` have to fit the whole of
    the program that spoke and of the unit spoken of (a pattern's group `unit`, else the line's);
    `phases` are names with `*`, none of them meaning all. `over_s`
    is how long the silence, or the pattern's group `seconds` or `span`, has to be, for hardware
    acceleration. `per` names the groups by which one trouble is told from another of the same rule.

    A fatal rule is a warning until it has fitted `at_least` times, within `within_s` where that is
    set, a time that is longer for a slow guest if it `stretches`; another rule is not shown until
    then. A pattern's group `count` counts instead of the lines. A fatal sighting waits `grace_s`
    for one of a higher `rank`. One that `explains` a rule is fatal, too, as soon as that rule is.
    """

    name: _Name
    blame: Blame
    weight: Literal["fatal", "warning"]
    cause: _OneLine
    advice: _OneLine
    source: _OneLine
    streams: Annotated[frozenset[Stream], msgspec.Meta(min_length=1)] = _USUAL_STREAMS
    pattern: re.Pattern[str] | None = None
    predicate: Predicate | None = None
    identifier: re.Pattern[str] | None = None
    unit: re.Pattern[str] | None = None
    phases: _Names = ()
    per: _Names = ()
    over_s: _Seconds = 0.0
    at_least: Annotated[int, msgspec.Meta(ge=1)] = 1
    within_s: _Seconds = 0.0
    stretches: bool = True
    grace_s: _Seconds = 0.0
    rank: Annotated[int, msgspec.Meta(ge=-9, le=9)] = 0
    explains: tuple[_Name, ...] = ()

    @property
    def is_fatal(self) -> bool:
        """Whether it ends the wait when it was seen often enough."""
        return self.weight == Weight.FATAL.value

    @property
    def groups(self) -> frozenset[str]:
        """The names of the pattern's groups."""
        return frozenset(self.pattern.groupindex if self.pattern else ())

    @property
    def known(self) -> frozenset[str]:
        """What cause and advice can name in braces."""
        return self.groups | _ALWAYS | (_OF_SILENCE if self.predicate else frozenset())


def load(path: Path | None = None) -> tuple[Rule, ...]:
    """Return the rules of a file in its order; without a path, those that are shipped.

    Raises:
        InputError: the file cannot be read, or something in it is wrong; the rule is named.
    """
    path = path or fixture(DEFAULT)
    return _checked(tables.read(path, _KEY, Rule), f"{path}")


def parse(text: str, subject: str) -> tuple[Rule, ...]:
    """Return the rules of a TOML text; `subject` is what an error calls it.

    Raises:
        InputError: it is no TOML, or a rule is malformed.
    """
    return _checked(tables.parse(text, subject, _KEY, Rule), subject)


def _checked(rules: tuple[Rule, ...], subject: str) -> tuple[Rule, ...]:
    fatal = sorted(rule.name for rule in rules if rule.is_fatal)
    seen: set[str] = set()
    for rule in rules:
        where = f"{subject}, rule {rule.name}"
        if rule.name in seen:
            raise InputError(where, "is there twice", "rename one of them")
        seen.add(rule.name)
        if strange := sorted(set(rule.explains).difference(fatal)):
            raise InputError(
                where, f"explains {', '.join(strange)}, no fatal rule", f"known: {', '.join(fatal)}"
            )
        for problem, remedy in _faults(rule):
            raise InputError(where, problem, remedy)
    return rules


def _faults(rule: Rule) -> Iterator[tuple[str, str]]:
    """Give what is wrong between the fields of a rule, and the way out of each."""
    if (rule.pattern is None) == (rule.predicate is None):
        yield "does not say one thing to look for", "give either pattern or predicate"
    if rule.over_s and not (rule.predicate or rule.groups & _OF_TIME):
        yield "has over_s but no group that tells a time", "add a group 'seconds' or 'span'"
    if rule.predicate and not rule.over_s:
        yield "has no over_s", "say how long the silence has to be"
    if rule.within_s and rule.at_least == 1:
        yield "has within_s without at_least", "say how often it has to happen in that time"
    if (rule.grace_s or rule.explains) and not rule.is_fatal:
        yield "is no fatal rule, but has grace_s or explains", "leave them out"
    if strangers := sorted(set(rule.per) - rule.groups - {"unit", "identifier"}):
        yield f"has no group {', '.join(strangers)}, which per names", "add it to the pattern"
    known = f"known: {', '.join(sorted(rule.known))}"
    for name, text in (("cause", rule.cause), ("advice", rule.advice)):
        if fault := _template_fault(text, rule.known):
            yield f"{name} {fault}", known
    if rule.cause.endswith("."):
        yield "ends its cause with a full stop", "leave it out: it is part of a line"


def _template_fault(text: str, known: frozenset[str]) -> str:
    try:
        named = [name for _, name, _, _ in Formatter().parse(text) if name is not None]
    except ValueError as exc:
        return f"cannot be filled in: {exc}"
    strange = sorted(set(named) - known)
    return f"names what the rule does not have: {', '.join(strange)}" if strange else ""
