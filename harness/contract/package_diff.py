"""What changed between two sets of packages: by name and architecture, in RPM's order. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from harness.model.packages.nevra import Nevra
from harness.model.packages.rpm_order import evr_key, newest

_UNORDERED = "gpg-pubkey"
"""Packages of this name are keys, of which the version is the id."""
_Place = tuple[str, str]


class Change(StrEnum):
    """What happened to the packages of one name and architecture."""

    ADDED = "added"
    REMOVED = "removed"
    UPGRADED = "upgraded"
    DOWNGRADED = "downgraded"
    RESPELLED = "respelled"
    """The text of a version changed, but not its place in RPM's order, as `1.0` and `1.00`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageChange:
    """A change of the packages with one name and architecture.

    `old` and `new` have epoch, version and release of what is on one side only, the oldest first.
    Several can be installed side by side, as kernels.
    """

    name: str
    arch: str
    change: Change
    old: tuple[str, ...] = ()
    new: tuple[str, ...] = ()


def compare(old: Iterable[Nevra], new: Iterable[Nevra]) -> tuple[PackageChange, ...]:
    """Return the changes from `old` to `new`, by name and architecture; empty if there are none."""
    before, after = by_place(old), by_place(new)
    places = sorted(before.keys() | after.keys())
    return tuple(
        change
        for place in places
        for change in _changes(place, before.get(place, set()), after.get(place, set()))
    )


def by_place(packages: Iterable[Nevra]) -> dict[_Place, set[Nevra]]:
    """Return packages by name and architecture."""
    found: dict[_Place, set[Nevra]] = defaultdict(set)
    for package in packages:
        found[package.name, package.arch].add(package)
    return dict(found)


def evr(package: Nevra) -> str:
    """Return `1:2.0-3`; an epoch of 0 is not written."""
    epoch = f"{package.epoch}:" if package.epoch else ""
    return f"{epoch}{package.version}-{package.release}"


def _changes(place: _Place, before: set[Nevra], after: set[Nevra]) -> Iterator[PackageChange]:
    gone, come = before - after, after - before
    if not gone and not come:
        return
    if place[0] == _UNORDERED and gone and come:
        yield _change(place, gone, set())
        yield _change(place, set(), come)
    else:
        yield _change(place, gone, come)


def _change(place: _Place, gone: set[Nevra], come: set[Nevra]) -> PackageChange:
    name, arch = place
    return PackageChange(
        name=name, arch=arch, change=_direction(gone, come), old=_evrs(gone), new=_evrs(come)
    )


def _direction(gone: set[Nevra], come: set[Nevra]) -> Change:
    if not gone:
        return Change.ADDED
    if not come:
        return Change.REMOVED
    was, now = evr_key(newest(gone)), evr_key(newest(come))
    if was == now:
        return Change.RESPELLED
    return Change.UPGRADED if was < now else Change.DOWNGRADED


def _evrs(packages: set[Nevra]) -> tuple[str, ...]:
    return tuple(map(evr, sorted(packages, key=lambda each: (evr_key(each), str(each)))))
