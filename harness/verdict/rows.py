"""What can be expected of a node, as rows of data; `findings` judges snapshots by them.

A row of the `coreos` layer holds in the bare bootimage and stays true; a row of the `node` layer
comes true with the node image only. Every row names its source, and may have bounds, `since` and
`until`: each image is judged within its own. `expectations` reads tables of rows.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Annotated, ClassVar

import msgspec

from harness.model.way import Way
from harness.verdict import placeholders
from harness.verdict.scope import Bound

Text = Annotated[str, msgspec.Meta(min_length=1)]


class Layer(StrEnum):
    """The layer that a row is about."""

    COREOS = "coreos"
    NODE = "node"
    EITHER = "either"
    """It is in the node; it may also be in the bootimage."""


class Invariant(StrEnum):
    """What must or must not happen while a node gets its node layer, whatever the image has."""

    BOOT_ID_UNCHANGED = "boot-id-unchanged"
    KERNEL_UNCHANGED = "kernel-unchanged"
    NO_NEW_FAILED_UNITS = "no-new-failed-units"
    NO_NEW_AVC = "no-new-avc"
    NO_DANGLING_LINKS = "no-dangling-links"
    VERSION_INHERITED = "version-inherited"
    USR_IS_OVERLAID = "usr-is-overlaid"
    MODULES_KEPT = "modules-kept"
    NO_RESTART_LOOP = "no-restart-loop"
    NO_ADDITIONAL_REBOOTS = "no-additional-reboots"
    NODE_IMAGE_IS_TAKEN = "node-image-is-taken"
    NODE_IMAGE_IS_BOOTED = "node-image-is-booted"
    BOOTIMAGE_IS_KEPT = "bootimage-is-kept"
    NOTHING_CHANGED = "nothing-changed"


class PackageRow(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An RPM package is installed or, with `absent`, is not; `*` in its name matches any text."""

    test_kind: ClassVar[str] = "package"

    name: Text
    layer: Layer
    source: Text
    absent: bool = False
    since: Bound | None = None
    until: Bound | None = None

    @property
    def id(self) -> str:
        """The row's part of the test id, without characters that a shell expands."""
        return f"{self.layer}-{self.name.replace('*', '')}"

    @property
    def claim(self) -> str:
        """What is expected, in words."""
        return f"package {self.name} {_presence(self.layer, self.absent)}"


class OsReleaseRow(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A field of /etc/os-release has one value, fits a regular expression, or is absent.

    `equals` and `matches` may have `placeholders`, which the image's own claims fill.
    """

    test_kind: ClassVar[str] = "os_release"

    key: Text
    layer: Layer
    source: Text
    equals: Text | None = None
    matches: Text | None = None
    absent: bool = False
    since: Bound | None = None
    until: Bound | None = None

    def __post_init__(self) -> None:
        if [self.equals is not None, self.matches is not None, self.absent].count(True) != 1:
            raise ValueError("Expected one of `equals`, `matches` and `absent = true`")
        for text in filter(None, (self.equals, self.matches)):
            placeholders.require_known(text)
        require_pattern(placeholders.pattern(self.matches or "", {}))

    @property
    def id(self) -> str:
        """The row's part of the test id."""
        return f"{self.layer}-{self.key}"

    @property
    def claim(self) -> str:
        """What is expected, in words."""
        value = f"equals {self.equals!r}" if self.equals is not None else f"matches {self.matches}"
        what = "" if self.absent else f"{value}, "
        return f"os-release {self.key} {what}{_presence(self.layer, self.absent)}"


class UnitRow(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A systemd unit has the given state in the node.

    A unit of the node layer must also not be active in the bootimage.

    The state of a CoreOS layer's unit in the bootimage is not judged: the first snapshot may be
    taken while it starts.

    The return to multi-user.target stops the units of pull and overlay: judge those by
    `no-new-failed-units`, not by a row.
    """

    test_kind: ClassVar[str] = "unit"

    name: Text
    layer: Layer
    source: Text
    active: Text = "active"
    sub: Text | None = None
    since: Bound | None = None
    until: Bound | None = None

    @property
    def id(self) -> str:
        """The row's part of the test id."""
        return f"{self.layer}-{self.name}"

    @property
    def claim(self) -> str:
        """What is expected, in words."""
        state = self.active + (f"/{self.sub}" if self.sub else "")
        was = ", not active in the bootimage" if self.layer is Layer.NODE else ""
        return f"unit {self.name} is {state} in the node{was}"


class FileRow(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A path exists (links are followed); with `present = false` it does not exist."""

    test_kind: ClassVar[str] = "file"

    path: Text
    layer: Layer
    source: Text
    present: bool = True
    since: Bound | None = None
    until: Bound | None = None

    @property
    def id(self) -> str:
        """The row's part of the test id: the path without slashes, which `-k` does not accept."""
        return f"{self.layer}-{self.path.strip('/').replace('/', '-')}"

    @property
    def claim(self) -> str:
        """What is expected, in words."""
        return f"{self.path} {_presence(self.layer, not self.present)}"


class InvariantRow(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One of the invariants holds while the node gets its node layer."""

    test_kind: ClassVar[str] = "invariant"

    name: Invariant
    source: Text
    since: Bound | None = None
    until: Bound | None = None

    @property
    def id(self) -> str:
        """The row's part of the test id."""
        return str(self.name)

    @property
    def claim(self) -> str:
        """What is expected, in words."""
        return _INVARIANT_CLAIMS[self.name]


Row = PackageRow | OsReleaseRow | UnitRow | FileRow | InvariantRow


def applies(row: Row, way: Way) -> bool:
    """Return whether a row applies to nodes that came up on a way."""
    return not isinstance(row, InvariantRow) or way in _WAYS.get(row.name, Way)


_IN_PLACE = (Way.LIVE_APPLY, Way.NONE)
# Those that are not listed hold on every way.
_WAYS: Mapping[Invariant, Sequence[Way]] = {
    Invariant.BOOT_ID_UNCHANGED: _IN_PLACE,
    Invariant.KERNEL_UNCHANGED: _IN_PLACE,
    Invariant.USR_IS_OVERLAID: (Way.LIVE_APPLY,),
    Invariant.MODULES_KEPT: (Way.LIVE_APPLY,),
    Invariant.NODE_IMAGE_IS_TAKEN: (Way.LIVE_APPLY, Way.PIVOT),
    Invariant.NODE_IMAGE_IS_BOOTED: (Way.PIVOT,),
    Invariant.BOOTIMAGE_IS_KEPT: (Way.PIVOT,),
    Invariant.NOTHING_CHANGED: (Way.NONE,),
}

_INVARIANT_CLAIMS = {
    Invariant.BOOT_ID_UNCHANGED: "the boot id is the same before and after: no reboot",
    Invariant.KERNEL_UNCHANGED: "the running kernel is the same before and after",
    Invariant.NO_NEW_FAILED_UNITS: "no unit failed that had not failed in the bootimage",
    Invariant.NO_NEW_AVC: "SELinux denies nothing that it had not denied in the bootimage",
    Invariant.NO_DANGLING_LINKS: "no link dangles that had not dangled in the bootimage",
    Invariant.VERSION_INHERITED: "the node has the version of the CoreOS image it is built on",
    Invariant.USR_IS_OVERLAID: "the node image is mounted over /usr",
    Invariant.MODULES_KEPT: "/usr/lib/modules is that of the booted deployment",
    Invariant.NO_RESTART_LOOP: "no unit is restarted over and over",
    Invariant.NO_ADDITIONAL_REBOOTS: "no reboot more than with the node layer in the bootimage",
    Invariant.NODE_IMAGE_IS_TAKEN: "the image that the node pulled is the one under test",
    Invariant.NODE_IMAGE_IS_BOOTED: "the deployment that runs was made from the node image",
    Invariant.BOOTIMAGE_IS_KEPT: "the bootimage's deployment is kept, to be rolled back to",
    Invariant.NOTHING_CHANGED: "packages, os-release and what is mounted on /usr are unchanged",
}


def require_pattern(pattern: str) -> None:
    """Raise ValueError if a text is not a regular expression."""
    try:
        re.compile(pattern)
    except re.error as exc:
        raise ValueError(f"{pattern!r} is not a regular expression: {exc}") from exc


def _presence(layer: Layer, absent: bool) -> str:
    match layer, absent:
        case Layer.COREOS, False:
            return "present in the bootimage and in the node"
        case Layer.COREOS, True:
            return "absent in the bootimage and in the node"
        case Layer.NODE, False:
            return "absent in the bootimage, present in the node"
        case Layer.EITHER, False:
            return "present in the node"
        case _:
            return "absent in the node"
