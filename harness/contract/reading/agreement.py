"""Whether what an image says of itself is what it contains. Pure.

Other tools believe the metadata layers, or silently read the whole image if they miss one.
Source: openshift/os#1938, #1946 and #1950.
"""

from __future__ import annotations

from collections.abc import Iterator

from harness.contract.inspection import Inspection
from harness.contract.package_diff import PackageChange, compare
from harness.contract.reading.metadata import PACKAGE_LIST

_SHOWN = 20


def verify(quick: Inspection, deep: Inspection) -> tuple[str, ...]:
    """Return how the metadata layers contradict the rpm database, empty if they agree.

    A missing, misplaced or malformed file is named, and a stale one with its packages.
    """
    return (*dict.fromkeys((*quick.problems, *deep.problems)), *_stale(quick, deep))


def _stale(quick: Inspection, deep: Inspection) -> Iterator[str]:
    if quick.packages is None or deep.packages is None:
        return
    changes = compare(quick.packages, deep.packages)
    if not changes:
        return
    layer = quick.found_in.get(PACKAGE_LIST, 0) + 1
    more = f"; and {len(changes) - _SHOWN} more" if len(changes) > _SHOWN else ""
    shown = "; ".join(map(_difference, changes[:_SHOWN]))
    yield (
        f"stale {PACKAGE_LIST} in layer {layer} of {len(quick.layers)}: "
        f"{len(changes)} of {len(deep.packages)} packages differ: {shown}{more}"
    )


def _difference(change: PackageChange) -> str:
    listed, installed = (", ".join(side) or "nothing" for side in (change.old, change.new))
    return f"{change.name}.{change.arch} lists {listed}, has {installed}"
