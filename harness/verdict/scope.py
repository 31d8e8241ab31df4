"""The images to which a row applies: bounds by OpenShift, by RHEL, and by the day of the build."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from dataclasses import dataclass
from operator import ge, lt
from typing import Annotated, Protocol

import msgspec

from harness.model.versions.version import Numbers, Version, numbers

Number = Annotated[str, msgspec.Meta(pattern=r"^[0-9]{1,4}\.[0-9]{1,4}\Z")]


class Bound(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A version, or a day of the build of CoreOS, at which a row begins or stops to hold."""

    ocp: Number | None = None
    rhel: Number | None = None
    date: datetime.date | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is known of one image: the version of its CoreOS base, and the OpenShift versions.

    There are several of the latter where an image contradicts itself.
    """

    base: Version | None = None
    ocp: tuple[str, ...] = ()


class Bounded(Protocol):
    """A row that has bounds."""

    @property
    def since(self) -> Bound | None:
        """The lower bound: a row applies once every given field is reached."""

    @property
    def until(self) -> Bound | None:
        """The upper bound: a row no longer applies once one given field is reached."""


def is_within(row: Bounded, facts: Facts) -> bool | None:
    """Return whether a row applies to an image; None if too little is known of the image."""
    answers = set(_answers(row, facts))
    return False if False in answers else None if None in answers else True


def _answers(row: Bounded, facts: Facts) -> Iterator[bool | None]:
    for bound, holds in ((row.since, ge), (row.until, lt)):
        for limit, value in _pairs(bound or Bound(), facts):
            yield None if value is None else holds(value, limit)


def _pairs(bound: Bound, facts: Facts) -> Iterator[tuple[Numbers, Numbers | None]]:
    base = facts.base
    if bound.ocp:
        yield numbers(bound.ocp), numbers(facts.ocp[0]) if facts.ocp else None
    if bound.rhel:
        yield numbers(bound.rhel), numbers(base.rhel) if base and base.rhel else None
    if bound.date:
        yield _day(bound.date), _day(base.built) if base else None


def _day(date: datetime.date) -> Numbers:
    return date.year, date.month, date.day
