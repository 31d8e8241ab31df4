"""The input of a contract verdict: a node image and what belongs to it, each as it was read."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from harness.contract.inspection import Inspection
from harness.model.errors import HarnessError
from harness.verdict.contract_rows import KnownDelta


class Role(StrEnum):
    """What an image is to the node image under test."""

    NODE = "node image"
    BASE = "base image"
    BOOTIMAGE = "bootimage"
    EXTENSIONS = "extensions image"
    DRIVER_TOOLKIT = "driver toolkit"

    @property
    def option(self) -> str:
        """The options that name such an image."""
        return _OPTIONS[self]


NOT_JUDGED = "not judged"
"""How a skipped row begins its reason."""
_OPTIONS = {
    Role.NODE: "--node-image or --release-image",
    Role.BASE: "--base-image",
    Role.BOOTIMAGE: "--bootimage",
    Role.EXTENSIONS: "--extensions or --release-image",
    Role.DRIVER_TOOLKIT: "--driver-toolkit or --release-image",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class NotJudged:
    """A row that cannot be judged, because something was not given or is not there.

    `lacks` says what, and `remedy` what would give it.
    """

    lacks: str
    remedy: str

    @classmethod
    def without(cls, role: Role) -> NotJudged:
        """Return the answer where the image of a role was not given."""
        return cls(lacks=f"no {role} was given", remedy=f"Add {role.option}.")

    @classmethod
    def unread(cls, roles: Iterable[Role]) -> NotJudged:
        """Return the answer where images were given that cannot be read."""
        lacks = f"the {' and the '.join(roles)} cannot be read"
        return cls(lacks=lacks, remedy="Look at the errors of the other rows.")

    def __str__(self) -> str:
        return f"{NOT_JUDGED}: {self.lacks}. {self.remedy}"


Answer = str | NotJudged | None
"""What was observed if a row does not hold, None if it does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseTag:
    """One operating system image or extensions image of a release, with its labels."""

    tag: str
    spec: str
    labels: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageSet:
    """The images under test; `node` was read in depth, its problems are of both readings.

    `files` has, by role, those of the rows' paths that exist in an image; a missing role was not
    read. `release` has the images of CoreOS in the release, None without one. `unreadable` has the
    errors of images that were named and cannot be read, `unreadable_release` that of the release's.
    """

    node: Inspection
    others: Mapping[Role, Inspection] = field(default_factory=dict)
    files: Mapping[Role, frozenset[str]] = field(default_factory=dict)
    release: tuple[ReleaseTag, ...] | None = None
    unreadable: Mapping[Role, HarnessError] = field(default_factory=dict)
    unreadable_release: HarnessError | None = None
    known_deltas: tuple[KnownDelta, ...] = ()
    today: datetime.date

    def get(self, role: Role) -> Inspection | None:
        """Return the image of a role, None if it was not given.

        Raises:
            HarnessError: it was given, and cannot be read.
        """
        if role in self.unreadable:
            raise self.unreadable[role]
        return self.node if role is Role.NODE else self.others.get(role)
