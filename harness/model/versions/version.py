"""Versions of CoreOS images, in every scheme that is in use, with their OpenShift and RHEL parts.

Source: enhancement:358 (versioning scheme); openshift/os and coreos/rhel-coreos-config for the
schemes of today, art-tools artcommon/artcommonlib/rhcos.py for build ids.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, time
from enum import StrEnum
from functools import lru_cache

from harness.model.errors import InputError

Numbers = tuple[int, ...]
"""A version as numbers, for comparisons: (4, 9) is before (4, 18)."""


class Scheme(StrEnum):
    """A form of versions, by what writes it."""

    RHEL = "rhel"
    """RHEL or CentOS Stream, day, build: 9.6.20250203-0. A stream has the minor version 0."""
    JOINED = "openshift-rhel"
    """Images before OpenShift 4.19, with joined versions: 418.94.202410090804-0."""
    TAG = "node-image-tag"
    """The tag by which a node image is built: 4.21-9.6-202602041851-node-image."""
    BUILD_ID = "art-build-id"
    """What ART makes of that tag: 4.21.9.6.202602041851-0."""
    EARLY_STREAM = "early-centos-stream"
    """CentOS Stream CoreOS of 2024: 9.20240920.0."""
    FEDORA = "fedora-coreos"
    """Fedora, day, number of the stream, build: 44.20260720.1.1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """A CoreOS version and its parts, None for parts that the scheme lacks.

    `rhel` is `9.6`, and `9` where CentOS Stream has no minor version. `build` is what follows the
    day, and the time of the day if there is one: `0`, `dev0`, `1.1`; empty for a tag.
    """

    text: str
    built: date
    scheme: Scheme
    at: time | None = None
    build: str = ""
    ocp: str | None = None
    rhel: str | None = None

    @property
    def openshift(self) -> str:
        """The OpenShift version, such as `4.21`.

        Raises:
            InputError: the version has no OpenShift part.
        """
        if self.ocp is None:
            problem = "a version without an OpenShift part"
            remedy = "Look at the labels of the image with `node-image inspect`."
            raise InputError(repr(self.text), problem, remedy)
        return self.ocp

    @property
    def rhel_major(self) -> int:
        """The RHEL major version, such as 9.

        Raises:
            InputError: the version has no RHEL part.
        """
        if self.rhel is None:
            remedy = "Use an image that is built from RHEL or CentOS Stream."
            raise InputError(repr(self.text), "a version without a RHEL part", remedy)
        return numbers(self.rhel)[0]

    def __str__(self) -> str:
        return self.text


# Python reads no more than 4300 digits as a number; no builder counts so far.
_COUNT = r"\d{1,18}"
_BUILD = rf"-(?P<build>(?:dev|wip)?{_COUNT})"
_STAMP = r"(?P<date>\d{8})(?P<time>\d{4})?"
_RHEL = r"(?P<rhel>(?:[89]|1\d)\.\d{1,2})"
_OCP = r"(?P<ocp>\d\.\d{1,2})"
_SCHEMES = {
    scheme: re.compile(pattern, re.ASCII)
    for scheme, pattern in {
        # Some have the time as well, as 9.4.202409090849-0. Builds of developers have -dev0.
        Scheme.RHEL: rf"{_RHEL}\.{_STAMP}{_BUILD}",
        # The first ones have a dot before the build: 43.82.202102081639.0.
        Scheme.JOINED: (
            r"(?P<joined_ocp>\d{2,3})\.(?P<joined_rhel>\d{1,3})\."
            rf"(?P<date>\d{{8}})(?P<time>\d{{4}})[-.](?P<build>{_COUNT})"
        ),
        Scheme.TAG: rf"{_OCP}-{_RHEL}-{_STAMP}(?:-[a-z][a-z-]*)?",
        Scheme.BUILD_ID: rf"{_OCP}\.{_RHEL}\.{_STAMP}{_BUILD}",
        Scheme.EARLY_STREAM: rf"(?P<rhel>9|1\d)\.(?P<date>\d{{8}})\.(?P<build>{_COUNT})",
        Scheme.FEDORA: rf"\d{{2,3}}\.(?P<date>\d{{8}})\.(?P<build>{_COUNT}\.{_COUNT})",
    }.items()
}
_MOST_CACHED = 256  # every row of a table asks for the versions of the same images
_OPENSHIFT = re.compile(rf"v?({_COUNT}\.{_COUNT})(?:[.-].*)?")


def parse(text: str) -> Version:
    """Return the version that `text` writes, in any of the schemes.

    Raises:
        InputError: it is in none of them, or its date is not a date.
    """
    matches = ((scheme, pattern.fullmatch(text)) for scheme, pattern in _SCHEMES.items())
    found = next(((scheme, match.groupdict()) for scheme, match in matches if match), None)
    try:
        if found is None:
            raise ValueError(text)  # noqa: TRY301 - a wrong date is one, too
        return _version(text, *found)
    except ValueError as exc:
        raise InputError(
            repr(text), "not a CoreOS version",
            "Use RHEL.DATE-BUILD such as 9.6.20250203-0, or an older or other form such as "
            "419.94.202412101440-0, 4.21-9.6-202602041851-node-image or 44.20260720.1.1.",
        ) from exc  # fmt: skip


@lru_cache(_MOST_CACHED)
def parsed(text: str | None) -> Version | None:
    """Return the version in `text`, None if there is none or no scheme matches."""
    try:
        return parse(text or "")
    except InputError:
        return None


def openshift_version(text: str) -> str | None:
    """Return `4.20` for `4.20.3` or `4.20.0-0.nightly-2026-03-30-143812`; None for another text."""
    found = _OPENSHIFT.fullmatch(text)
    return found[1] if found else None


def numbers(text: str) -> Numbers:
    """Return (9, 6) for `9.6`, for comparisons."""
    return tuple(int(part) for part in text.split("."))


def _version(text: str, scheme: Scheme, parts: Mapping[str, str | None]) -> Version:
    clock = parts.get("time")
    return Version(
        text=text, scheme=scheme, built=date.fromisoformat(parts["date"] or ""),
        at=time(int(clock[:2]), int(clock[2:])) if clock else None,
        build=parts.get("build") or "",
        ocp=parts.get("ocp") or _dotted(parts.get("joined_ocp"), 1),
        rhel=parts.get("rhel") or _dotted_rhel(parts.get("joined_rhel")),
    )  # fmt: skip


def _dotted_rhel(digits: str | None) -> str | None:
    """Return `9.4` for `94`, and `10.1` for `101`: no RHEL 1 has a CoreOS."""
    return _dotted(digits, 2 if digits and digits.startswith("1") else 1)


def _dotted(digits: str | None, major_digits: int) -> str | None:
    """Return `4.19` for `419`; a major version alone has no minor one."""
    if digits is None or len(digits) <= major_digits:
        return digits
    return f"{digits[:major_digits]}.{digits[major_digits:]}"
