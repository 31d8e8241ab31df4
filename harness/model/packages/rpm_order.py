"""RPM's order of versions: epochs, `~` before the end of a version, `^` after it. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable

from harness.model.packages.nevra import Nevra

Key = tuple[tuple[int, int, str], ...]
"""A version as segments that compare as RPM compares them."""

# Separators only end a segment; so does every character that is not ASCII.
# Source: rpm, rpmio/rpmvercmp.cc.
_SEGMENT = re.compile(r"(?P<tilde>~)|(?P<caret>\^)|(?P<letters>[A-Za-z]+)|(?P<digits>[0-9]+)")
_TILDE, _END, _CARET, _LETTERS, _DIGITS = range(5)


def version_key(text: str) -> Key:
    """Return the sort key of a version or a release, which RPM compares in the same way.

    Versions with equal keys, such as `1.0` and `1_00`, are equal for RPM.
    """
    return (*map(_segment, _SEGMENT.finditer(text)), (_END, 0, ""))


def evr_key(package: Nevra) -> tuple[int, Key, Key]:
    """Return the sort key of a package among those of its name and architecture."""
    return package.epoch, version_key(package.version), version_key(package.release)


def newest(packages: Iterable[Nevra]) -> Nevra:
    """Return the newest of some packages; of equal ones, the last by text."""
    return max(packages, key=lambda package: (evr_key(package), str(package)))


def _segment(found: re.Match[str]) -> tuple[int, int, str]:
    if letters := found["letters"]:
        return _LETTERS, 0, letters
    if found["digits"] is not None:
        # The length decides first: no limit of digits applies, as for `int`.
        digits = found["digits"].lstrip("0")
        return _DIGITS, len(digits), digits
    return (_TILDE if found["tilde"] else _CARET), 0, ""
