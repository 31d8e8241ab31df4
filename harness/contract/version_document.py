"""What `node-image version` reports: the parts of versions, and their order. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations

import msgspec

from harness.contract.document import Document
from harness.contract.sheet import Row, table
from harness.model.versions.version import Version
from harness.model.versions.version_order import order_key, semver_key, sorted_by_order

HEAD = ("version", "scheme", "openshift", "rhel", "built", "semver")


class VersionParts(msgspec.Struct, frozen=True, kw_only=True):
    """One version; a part that its scheme lacks is null, or empty for `build`."""

    text: str
    scheme: str
    openshift: str | None
    rhel: str | None
    built: str
    """The day of the build, and the time in UTC if the version has it, in ISO 8601."""
    build: str
    is_semver: bool
    """Whether it is a version of semver.org, where a build such as `-0` is a pre-release."""


class Versions(Document, frozen=True, kw_only=True, tag="version"):
    """Versions as they were given, and the orders that they have."""

    versions: tuple[VersionParts, ...]
    orders: tuple[tuple[str, ...], ...]
    """The versions that can be compared with each other, the oldest first."""
    semver_disagrees: tuple[tuple[str, str], ...]
    """Pairs of an older and a newer version that Semantic Versioning orders in another way."""


def document(versions: Sequence[Version]) -> Versions:
    """Return the document of some versions."""
    orders = sorted_by_order(dict.fromkeys(versions)).values()
    return Versions(
        versions=tuple(map(_parts, versions)),
        orders=tuple(tuple(map(str, members)) for members in orders),
        semver_disagrees=tuple(pair for members in orders for pair in _disagreements(members)),
    )


def lines(found: Versions) -> Iterator[str]:
    """Yield a document as text: a table, the orders of several versions, and notes."""
    yield from table(HEAD, map(row, found.versions))
    if len(found.versions) > 1:
        yield ""
        yield from (f"order, oldest first: {', '.join(texts)}" for texts in found.orders)
    if len(found.orders) > 1:
        yield "Versions on different lines have no common order: their schemes differ."
    for older, newer in found.semver_disagrees:
        yield f"Semantic Versioning does not put {older} before {newer}."


def row(parts: VersionParts) -> Row:
    """Return the cells under `HEAD`."""
    semver = "yes" if parts.is_semver else "no"
    return (
        parts.text, parts.scheme, parts.openshift or "-", parts.rhel or "-", parts.built, semver
    )  # fmt: skip


def _parts(version: Version) -> VersionParts:
    clock = f"T{version.at:%H:%M}Z" if version.at else ""
    return VersionParts(
        text=version.text, scheme=version.scheme, openshift=version.ocp, rhel=version.rhel,
        built=f"{version.built}{clock}", build=version.build,
        is_semver=semver_key(version) is not None,
    )  # fmt: skip


def _disagreements(ordered: Sequence[Version]) -> Iterator[tuple[str, str]]:
    # Each key is made once: there are as many pairs as the square of the versions.
    keyed = [
        (order_key(version), key, str(version))
        for version in ordered
        if (key := semver_key(version)) is not None
    ]
    for (order, key, older), (next_order, next_key, newer) in combinations(keyed, 2):
        if order != next_order and not key < next_key:
            yield older, newer
