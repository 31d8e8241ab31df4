"""What images of one release must be to each other, as rows of data; `image_checks` judges them.

A row is judged from images alone. A `KnownDelta` is not judged: it is a change of a base package by
the node layer that somebody accepted, with a reason and until a day.
"""

from __future__ import annotations

import datetime
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import ClassVar

import msgspec

from harness.verdict.rows import Text
from harness.verdict.scope import Bound


class Contract(StrEnum):
    """What must be true of a node image and the images that belong to it."""

    LAYERS_BEGIN_WITH_BASE = "layers-begin-with-base"
    METADATA_IS_TRUE = "metadata-is-last-and-true"
    METALAYER_IS_LABELLED = "metalayer-is-labelled"
    BASE_PACKAGES_ARE_KEPT = "base-packages-are-kept"
    OVS_PLUGIN_FITS = "ovs-plugin-fits-networkmanager"
    VERSION_IS_INHERITED = "version-is-inherited"
    MACHINE_OS_IS_NAMED = "machine-os-is-named"
    BOOTC_IS_LABELLED = "bootc-is-labelled"
    STREAM_CLASS_IS_OF_THE_RHEL = "stream-class-is-of-the-rhel"
    EXTENSIONS_ARE_PAIRED = "extensions-are-paired"
    STREAMS_ARE_PAIRED = "streams-of-the-release-are-paired"
    EXTENSIONS_KERNEL = "extensions-have-the-kernel"
    DRIVER_TOOLKIT_KERNEL = "driver-toolkit-has-the-kernel"
    BOOTIMAGE_IS_OF_THE_RHEL = "bootimage-is-of-the-rhel"
    BOOTIMAGE_IS_NOT_NEWER = "bootimage-is-not-newer"
    ARCHITECTURES_AGREE = "architectures-agree"


class ContractRow(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One part of the contract holds for the images under test."""

    test_kind: ClassVar[str] = "contract"

    name: Contract
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
        return _CLAIMS[self.name]


class KnownDelta(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A base package that the node layer may change or remove until `expires`, that day included.

    `*` in its name matches any text.
    """

    test_kind: ClassVar[str] = "known_delta"

    name: Text
    reason: Text
    source: Text
    expires: datetime.date
    since: Bound | None = None
    until: Bound | None = None

    @property
    def id(self) -> str:
        """The name, as in [[drop]]."""
        return self.name

    def covers(self, package: str) -> bool:
        """Return whether a package has this name."""
        return fnmatchcase(package, self.name)


_CLAIMS = {
    Contract.LAYERS_BEGIN_WITH_BASE: "the node image's layers begin with all of the base image's",
    Contract.METADATA_IS_TRUE:
        "the metadata layers are the last ones, and agree with the rpm database",
    Contract.METALAYER_IS_LABELLED:
        "io.openshift.metalayer is true on the node image, and absent on its base",
    Contract.BASE_PACKAGES_ARE_KEPT:
        "every package of the base is unchanged in the node image, or a known delta",
    Contract.OVS_PLUGIN_FITS: "NetworkManager-ovs has the version of NetworkManager",
    Contract.VERSION_IS_INHERITED: "the node image has the version of its base, in every place",
    Contract.MACHINE_OS_IS_NAMED: "the label of machine-os has the version in os-release",
    Contract.BOOTC_IS_LABELLED: "containers.bootc is 1 or true on the node image",
    Contract.STREAM_CLASS_IS_OF_THE_RHEL:
        "io.openshift.os.streamclass names the RHEL that the node image is built from",
    Contract.EXTENSIONS_ARE_PAIRED: "node image and extensions image have the same stream class",
    Contract.STREAMS_ARE_PAIRED:
        "each stream of the release has one node image and one extensions image",
    Contract.EXTENSIONS_KERNEL: "the extensions image has packages of the node image's kernel",
    Contract.DRIVER_TOOLKIT_KERNEL: "the driver toolkit was built for the node image's kernel",
    Contract.BOOTIMAGE_IS_OF_THE_RHEL: "bootimage and node image are of the same RHEL",
    Contract.BOOTIMAGE_IS_NOT_NEWER: "the RHEL of the bootimage is not newer than the node image's",
    Contract.ARCHITECTURES_AGREE: "all images are for one architecture",
}  # fmt: skip
