"""CoreOS version strings: the RHEL-based form, and the OpenShift-based one that it replaced.

Source: seed "Versioning scheme" and "/etc/os-release".
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from harness.model.errors import InputError


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """A CoreOS version and the RHEL it stands on: `9.6`, in the older form also plain `9`."""

    text: str
    rhel: str

    @property
    def rhel_major(self) -> int:
        """The RHEL major version, such as 9."""
        return int(self.rhel.partition(".")[0])

    def __str__(self) -> str:
        return self.text


# `9.6.20250203-0`: RHEL version, date, build of the day.
# Development builds of CentOS Stream CoreOS say `-dev0` where releases say `-0`.
_COREOS = re.compile(r"(?P<rhel>\d{1,2}\.\d{1,2})\.\d{8}-(?:dev)?\d+")
# `419.94.202412101440-0`: OpenShift 4.19 on RHEL 9.4, minute, build.
_LEGACY = re.compile(r"\d{2,3}\.(?P<rhel>\d{1,3})\.\d{12}-\d+")


def parse(text: str) -> Version:
    """Return the version that `text` writes, in either form.

    Raises:
        InputError: it is in neither.
    """
    if coreos := _COREOS.fullmatch(text):
        return Version(text=text, rhel=coreos["rhel"])
    if legacy := _LEGACY.fullmatch(text):
        return Version(text=text, rhel=_dotted(legacy["rhel"]))
    raise InputError(
        repr(text), "is not a CoreOS version",
        "expected RHEL.DATE-BUILD such as 9.6.20250203-0, or the older 419.94.202412101440-0",
    )  # fmt: skip


def _dotted(digits: str) -> str:
    """Return `9.4` for `94`, and `9` (CentOS Stream has no minor) for `9`."""
    return digits if len(digits) == 1 else f"{digits[0]}.{digits[1:]}"
