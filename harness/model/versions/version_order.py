"""Which of two CoreOS versions is newer, and what Semantic Versioning makes of them. Pure.

Versions are ordered only within what can be compared: an image of the node layer and its base, or
Fedora's and RHEL's, have no common order.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from harness.model.errors import InputError
from harness.model.versions.version import Numbers, Scheme, Version, numbers

Key = tuple[Numbers, Numbers, bool, str, Numbers]
SemverKey = tuple[Numbers, bool, tuple[tuple[bool, int, str], ...]]

_SAME_ORDER = {Scheme.BUILD_ID: Scheme.TAG}
"""ART makes the build id of the tag, with the same parts."""
_BUILD = re.compile(r"([a-z]*)([\d.]+)", re.ASCII)
# Source: semver.org 2.0.0, items 2 and 9; no version here has build metadata (item 10).
_NUMBER = r"(?:0|[1-9]\d*)"
_SEMVER = re.compile(
    rf"({_NUMBER}\.{_NUMBER}\.{_NUMBER})(?:-([\dA-Za-z-]+(?:\.[\dA-Za-z-]+)*))?", re.ASCII
)
_LEADING_ZERO = re.compile(r"0\d+", re.ASCII)


def order_of(scheme: Scheme) -> Scheme:
    """Return the scheme whose order `scheme` has; versions of one order can be compared."""
    return _SAME_ORDER.get(scheme, scheme)


def order_key(version: Version) -> Key:
    """Return the sort key of a version among those of its order.

    A build of a developer, as `-dev0`, is older than the published builds of its day and time.
    """
    at = (version.at.hour, version.at.minute) if version.at else (0, 0)
    kind, number = _BUILD.fullmatch(version.build or "0").groups()  # type: ignore[union-attr]
    return _lead(version), (version.built.toordinal(), *at), not kind, kind, numbers(number)


def compare(one: Version, other: Version) -> int:
    """Return -1 if `one` is older than `other`, 1 if it is newer, else 0.

    Raises:
        InputError: their schemes have no common order.
    """
    if order_of(one.scheme) is not order_of(other.scheme):
        raise InputError(
            f"{one} and {other}", f"the schemes {one.scheme} and {other.scheme} have no order",
            "Compare versions of one scheme, or the days of the builds.",
        )  # fmt: skip
    return _sign(order_key(one), order_key(other))


def sorted_by_order(versions: Iterable[Version]) -> dict[Scheme, list[Version]]:
    """Return versions by their order, the oldest first."""
    found: dict[Scheme, list[Version]] = {}
    for version in versions:
        found.setdefault(order_of(version.scheme), []).append(version)
    return {order: sorted(members, key=order_key) for order, members in found.items()}


def semver_key(version: Version) -> SemverKey | None:
    """Return the sort key of Semantic Versioning; None if the version is not one there.

    A build is a *pre-release* there: 9.6.20250203-0 is before 9.6.20250203, `dev0` after `0`
    because letters come after numbers, and `dev10` before `dev2`.
    """
    found = _SEMVER.fullmatch(version.text)
    if found is None:
        return None
    parts = found[2].split(".") if found[2] else []
    if any(map(_LEADING_ZERO.fullmatch, parts)):
        return None
    return numbers(found[1]), not parts, tuple(map(_identifier, parts))


def _lead(version: Version) -> Numbers:
    if version.scheme is Scheme.FEDORA:
        return numbers(version.text.partition(".")[0])
    return tuple(part for text in (version.ocp, version.rhel) if text for part in numbers(text))


def _identifier(text: str) -> tuple[bool, int, str]:
    is_number = text.isdecimal()
    return not is_number, int(text) if is_number else 0, "" if is_number else text


def _sign(one: Key, other: Key) -> int:
    return (one > other) - (one < other)
