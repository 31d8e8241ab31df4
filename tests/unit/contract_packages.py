"""Real lists of packages, with their origin in fixtures/contract/README.md, and their changes."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

from harness.folders import fixture
from harness.model.packages.nevra import Nevra

RHCOS = "rhcos-413.86.202212021619-0"
FCOS = "fcos-40-stable"


@cache
def packages(name: str) -> frozenset[Nevra]:
    """Return a list of fixtures/contract."""
    text = (fixture("contract") / f"{name}.packages").read_text()
    return frozenset(map(Nevra.parse, text.splitlines()))


def nevra(name: str, evr: str, arch: str = "x86_64") -> Nevra:
    """Return a package; `evr` is as `1:2.0-3`."""
    epoch, _, rest = evr.rpartition(":")
    version, _, release = rest.rpartition("-")
    return Nevra(
        name=name, epoch=int(epoch or 0), version=version, release=release, arch=arch
    )  # fmt: skip


def named(listed: frozenset[Nevra], name: str) -> Nevra:
    """Return the only package of a name."""
    (found,) = (package for package in listed if package.name == name)
    return found


def changed(listed: frozenset[Nevra], name: str, **fields: str | int) -> frozenset[Nevra]:
    """Return the list with other fields of one package."""
    was = named(listed, name)
    return listed - {was} | {replace(was, **fields)}  # type: ignore[arg-type]  # by its fields
