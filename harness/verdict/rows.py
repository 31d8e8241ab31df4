"""What can be expected of a node, as rows of data; `findings` holds snapshots to them.

A row of the `coreos` layer holds in the bare bootimage and stays true; a row of the `node` layer
comes true by live-apply only. Every row names its source. `expectations` reads tables of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar


class Layer(StrEnum):
    """Which image brings what a row speaks of."""

    COREOS = "coreos"
    NODE = "node"


class Invariant(StrEnum):
    """What live-apply must not do, or must do whatever the image holds."""

    BOOT_ID_UNCHANGED = "boot-id-unchanged"
    KERNEL_UNCHANGED = "kernel-unchanged"
    NO_NEW_FAILED_UNITS = "no-new-failed-units"
    NO_NEW_AVC = "no-new-avc"
    NO_DANGLING_LINKS = "no-dangling-links"
    VERSION_INHERITED = "version-inherited"
    USR_IS_OVERLAID = "usr-is-overlaid"
    MODULES_KEPT = "modules-kept"
    NO_RESTART_LOOP = "no-restart-loop"


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageRow:
    """An RPM package is there, or with `absent` is not; a `*` in its name stands for any text."""

    test_kind: ClassVar[str] = "package"

    name: str
    layer: Layer
    source: str
    absent: bool = False

    @property
    def id(self) -> str:
        """The row's part of the test id, without what a shell would expand."""
        return f"{self.layer}-{self.name.replace('*', '')}"

    @property
    def claim(self) -> str:
        """What is expected, in words."""
        return f"package {self.name} {_presence(self.layer, self.absent)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class OsReleaseRow:
    """A field of /etc/os-release has one value, fits a regular expression, or is absent."""

    test_kind: ClassVar[str] = "os_release"

    key: str
    layer: Layer
    source: str
    equals: str | None = None
    matches: str | None = None
    absent: bool = False

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


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitRow:
    """A systemd unit is in a state after live-apply; one of the node layer was not active before.

    What a unit of the CoreOS layer was before is not judged: the first snapshot may catch it
    starting.

    Units that the way back to multi-user stops (pull and overlay) end as inactive; judge those by
    `no-new-failed-units`, not by a row.
    """

    test_kind: ClassVar[str] = "unit"

    name: str
    layer: Layer
    source: str
    active: str = "active"
    sub: str | None = None

    @property
    def id(self) -> str:
        """The row's part of the test id."""
        return f"{self.layer}-{self.name}"

    @property
    def claim(self) -> str:
        """What is expected, in words."""
        state = self.active + (f"/{self.sub}" if self.sub else "")
        was = ", not active before" if self.layer is Layer.NODE else ""
        return f"unit {self.name} is {state} after live-apply{was}"


@dataclass(frozen=True, slots=True, kw_only=True)
class FileRow:
    """A path exists, links followed, or with `present = false` does not."""

    test_kind: ClassVar[str] = "file"

    path: str
    layer: Layer
    source: str
    present: bool = True

    @property
    def id(self) -> str:
        """The row's part of the test id: the path without slashes, which `-k` cannot take."""
        return f"{self.layer}-{self.path.strip('/').replace('/', '-')}"

    @property
    def claim(self) -> str:
        """What is expected, in words."""
        return f"{self.path} {_presence(self.layer, not self.present)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class InvariantRow:
    """One of the invariants holds over live-apply."""

    test_kind: ClassVar[str] = "invariant"

    name: Invariant
    source: str

    @property
    def id(self) -> str:
        """The row's part of the test id."""
        return str(self.name)

    @property
    def claim(self) -> str:
        """What is expected, in words."""
        return _INVARIANT_CLAIMS[self.name]


Row = PackageRow | OsReleaseRow | UnitRow | FileRow | InvariantRow


_INVARIANT_CLAIMS = {
    Invariant.BOOT_ID_UNCHANGED: "the boot id is the same after live-apply: no reboot",
    Invariant.KERNEL_UNCHANGED: "the running kernel is the same after live-apply",
    Invariant.NO_NEW_FAILED_UNITS: "no unit failed that had not failed before live-apply",
    Invariant.NO_NEW_AVC: "SELinux denies nothing that it had not denied before live-apply",
    Invariant.NO_DANGLING_LINKS: "no link dangles that had not dangled before live-apply",
    Invariant.VERSION_INHERITED: "the node has the version of the CoreOS image it is built on",
    Invariant.USR_IS_OVERLAID: "the node image is mounted over /usr",
    Invariant.MODULES_KEPT: "/usr/lib/modules is that of the booted deployment",
    Invariant.NO_RESTART_LOOP: "no unit is restarted over and over",
}


def _presence(layer: Layer, absent: bool) -> str:
    match layer, absent:
        case Layer.COREOS, False:
            return "present before and after live-apply"
        case Layer.COREOS, True:
            return "absent before and after live-apply"
        case Layer.NODE, False:
            return "absent before live-apply, present after"
        case _:
            return "absent after live-apply"
