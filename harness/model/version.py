"""Versions of CoreOS images, in every scheme that is in use, with their OpenShift and RHEL parts.

Source: enhancement:358 (versioning scheme); openshift/os and coreos/rhel-coreos-config for the
schemes of today, art-tools artcommon/artcommonlib/rhcos.py for build ids.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date

from harness.model.errors import InputError

Numbers = tuple[int, ...]
"""A version as numbers, for comparisons: (4, 9) is before (4, 18)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """A CoreOS version and its parts, None for parts that the scheme lacks.

    `rhel` is `9.6`, and `9` where CentOS Stream has no minor version.
    """

    text: str
    built: date
    ocp: str | None = None
    rhel: str | None = None

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


_BUILD = r"-(?:dev|wip)?\d+"
_STAMP = r"(?P<date>\d{8})(?:\d{4})?"
_RHEL = r"(?P<rhel>(?:[89]|1\d)\.\d{1,2})"
_OCP = r"(?P<ocp>\d\.\d{1,2})"
_SCHEMES = tuple(
    re.compile(pattern)
    for pattern in (
        # 9.6.20250203-0 and 9.4.202409090849-0: RHEL, date, build of the day. Builds of developers
        # have -dev0.
        rf"{_RHEL}\.{_STAMP}{_BUILD}",
        # 419.94.202412101440-0 and 43.82.202102081639.0: OpenShift 4.19 on RHEL 9.4, and so on.
        r"(?P<joined_ocp>\d{2,3})\.(?P<joined_rhel>\d{1,3})\.(?P<date>\d{8})\d{4}[-.]\d+",
        # 4.21-9.6-202602041851-node-image: the tag by which a node image is built.
        rf"{_OCP}-{_RHEL}-{_STAMP}(?:-[a-z][a-z-]*)?",
        # 4.21.9.6.202602041851-0: the build id that ART makes of that tag.
        rf"{_OCP}\.{_RHEL}\.{_STAMP}{_BUILD}",
        # 9.20240920.0: an early CentOS Stream CoreOS.
        r"(?P<rhel>9|1\d)\.(?P<date>\d{8})\.\d+",
        # 44.20260720.1.1: Fedora CoreOS, which has neither part.
        r"\d{2,3}\.(?P<date>\d{8})\.\d+\.\d+",
    )
)
_OPENSHIFT = re.compile(r"v?(\d+\.\d+)(?:[.-].*)?")


def parse(text: str) -> Version:
    """Return the version that `text` writes, in any of the schemes.

    Raises:
        InputError: it is in none of them, or its date is not a date.
    """
    found = next(filter(None, (scheme.fullmatch(text) for scheme in _SCHEMES)), None)
    parts = found.groupdict() if found else {}
    try:
        return Version(
            text=text, built=date.fromisoformat(parts["date"]),
            ocp=parts.get("ocp") or _dotted(parts.get("joined_ocp")),
            rhel=parts.get("rhel") or _dotted(parts.get("joined_rhel")),
        )  # fmt: skip
    except (KeyError, ValueError) as exc:
        raise InputError(
            repr(text), "not a CoreOS version",
            "Use RHEL.DATE-BUILD such as 9.6.20250203-0, or an older or other form such as "
            "419.94.202412101440-0, 4.21-9.6-202602041851-node-image or 44.20260720.1.1.",
        ) from exc  # fmt: skip


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


def _dotted(digits: str | None) -> str | None:
    """Return `9.4` for `94` and `4.19` for `419`; a single digit has no minor version."""
    if digits is None or len(digits) == 1:
        return digits
    return f"{digits[0]}.{digits[1:]}"
