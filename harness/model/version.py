"""CoreOS version strings: the RHEL-based form, and the OpenShift-based one that it replaced.

Source: seed "Versioning scheme" and "/etc/os-release".
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from harness.model.errors import InputError


class VersionForm(StrEnum):
    """How a CoreOS version is put together."""

    COREOS = "coreos"
    """`9.6.20250203-0`: RHEL version, date, build of the day."""
    LEGACY = "legacy"
    """`419.94.202412101440-0`: OpenShift 4.19 on RHEL 9.4, minute, build."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """A CoreOS version. `openshift` is None but in the legacy form; `rhel` may be `9` there."""

    text: str
    form: VersionForm
    rhel: str
    stamp: str
    build: int
    openshift: str | None = None

    @property
    def is_legacy(self) -> bool:
        """Whether this is the form which images had before the layers were split."""
        return self.form is VersionForm.LEGACY

    @property
    def rhel_major(self) -> int:
        """The RHEL major version, such as 9."""
        return int(self.rhel.partition(".")[0])

    def __str__(self) -> str:
        return self.text


# Development builds of CentOS Stream CoreOS say `-dev0` where releases say `-0`.
_COREOS = re.compile(r"(?P<rhel>\d{1,2}\.\d{1,2})\.(?P<stamp>\d{8})-(?:dev)?(?P<build>\d+)")
_LEGACY = re.compile(
    r"(?P<major>\d)(?P<minor>\d{1,2})\.(?P<rhel>\d{1,3})\.(?P<stamp>\d{12})-(?P<build>\d+)"
)


def parse(text: str) -> Version:
    """Return the version that `text` writes, in either form.

    Raises:
        InputError: it is in neither.
    """
    if coreos := _COREOS.fullmatch(text):
        return Version(
            text=text, form=VersionForm.COREOS,
            rhel=coreos["rhel"], stamp=coreos["stamp"], build=int(coreos["build"]),
        )  # fmt: skip
    if legacy := _LEGACY.fullmatch(text):
        return Version(
            text=text, form=VersionForm.LEGACY, rhel=_dotted(legacy["rhel"]),
            stamp=legacy["stamp"], build=int(legacy["build"]),
            openshift=f"{legacy['major']}.{legacy['minor']}",
        )  # fmt: skip
    raise InputError(
        repr(text), "is not a CoreOS version",
        "expected RHEL.DATE-BUILD such as 9.6.20250203-0, or the older 419.94.202412101440-0",
    )  # fmt: skip


def _dotted(digits: str) -> str:
    """Return `9.4` for `94`, and `9` (CentOS Stream has no minor) for `9`."""
    return digits if len(digits) == 1 else f"{digits[0]}.{digits[1:]}"
