"""CoreOS stream metadata: the disks, AMIs and other images of a version, by architecture. Pure.

The field `stream` is not read: the installer's files have names of other versions there.

Source: github.com/coreos/stream-metadata-go, and the installer's data/data/coreos: rhcos.json,
coreos-rhel-9.json, coreos-rhel-10.json, scos.json, fcos.json and marketplace/coreos-rhel-9.json.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

import msgspec

from harness.model.errors import InputError
from harness.model.foreign import json_value

STREAM_FILES = "Use stream metadata, such as the installer's data/data/coreos/coreos-rhel-9.json."
_T = TypeVar("_T")


class Artifact(msgspec.Struct, frozen=True, kw_only=True, rename="kebab"):
    """One file; the sum of what is inside is empty where the metadata has none."""

    location: str
    sha256: str = ""
    uncompressed_sha256: str = ""
    signature: str = ""


class Platform(msgspec.Struct, frozen=True, kw_only=True):
    """The artifacts for one platform, as `qemu`: by format, as `qcow2.gz`, then by part.

    The part is `disk`; for network boots `kernel`, `initramfs` and `rootfs`.
    """

    release: str
    formats: Mapping[str, Mapping[str, Artifact]] = {}


class RegionImage(msgspec.Struct, frozen=True, kw_only=True):
    """An image in one region of a cloud."""

    release: str
    image: str = ""
    url: str = ""


class CloudImage(msgspec.Struct, frozen=True, kw_only=True, rename="kebab"):
    """An image that a cloud or a registry has: one, or one in each region."""

    release: str = ""
    regions: Mapping[str, RegionImage] = {}
    image: str = ""
    digest_ref: str = ""
    url: str = ""


class Architecture(msgspec.Struct, frozen=True, kw_only=True):
    """What there is for one architecture, by platform or cloud."""

    artifacts: Mapping[str, Platform] = {}
    images: Mapping[str, CloudImage] = {}
    extensions: Mapping[str, CloudImage] = msgspec.field(default={}, name="rhel-coreos-extensions")


class Stream(msgspec.Struct, frozen=True, kw_only=True):
    """The metadata of one version of CoreOS, by architecture as in `uname -m`."""

    architectures: Mapping[str, Architecture]

    def files(self) -> Iterator[tuple[str, str, Artifact]]:
        """Yield each file: its place as `x86_64/qemu/qcow2.gz/disk`, its release, the artifact."""
        for name, architecture in self.architectures.items():
            for key, platform in architecture.artifacts.items():
                for kind, parts in platform.formats.items():
                    for part, artifact in parts.items():
                        yield f"{name}/{key}/{kind}/{part}", platform.release, artifact

    def disk(self, place: str, subject: str) -> Artifact:
        """Return the disk at a place such as `x86_64/qemu/qcow2.gz`.

        Raises:
            InputError: there is none; names those for qemu. Errors call the metadata `subject`.
        """
        for known, _, artifact in self.files():
            if known == f"{place}/disk":
                return artifact
        listed = ", ".join(self.qemu_disks()) or "none for qemu"
        raise InputError(
            subject, f"no disk {repr(place) if place else 'named'}, only {listed}",
            f"Write the place of a disk after the metadata, as `stream:{subject}#{QEMU_DISK}`.",
        )  # fmt: skip

    def qemu_disks(self) -> tuple[str, ...]:
        """Return the places of the disks for qemu."""
        return tuple(
            place.removesuffix("/disk")
            for place, _, _ in self.files()
            if place.split("/")[1] == "qemu" and place.endswith("/disk")
        )


QEMU_DISK = "x86_64/qemu/qcow2.gz"


class Offer(msgspec.Struct, frozen=True, kw_only=True):
    """An offer in the marketplace of a cloud; its version has three numbers."""

    publisher: str
    offer: str
    sku: str
    version: str


class Marketplace(msgspec.Struct, frozen=True, kw_only=True):
    """The installer's offers: by architecture, cloud, plan and generation of the hypervisor."""

    architectures: Mapping[str, Mapping[str, Mapping[str, Mapping[str, Offer]]]]

    def offers(self) -> Iterator[tuple[str, Offer]]:
        """Yield each offer with its place, as `x86_64/azure/ocp/hyperVGen2`."""
        for name, clouds in self.architectures.items():
            for cloud, plans in clouds.items():
                for plan, generations in plans.items():
                    for generation, offer in generations.items():
                        yield f"{name}/{cloud}/{plan}/{generation}", offer


def parse(text: str, subject: str) -> Stream | Marketplace:
    """Return the metadata in a JSON text; errors call it `subject`.

    Raises:
        InputError: it is not JSON, or of another form; says where.
    """
    try:
        found = json_value(text)
    except ValueError as exc:
        raise InputError(subject, f"not JSON: {exc}", STREAM_FILES) from exc
    if not isinstance(found, dict) or not found:
        raise InputError(subject, "JSON, but not stream metadata", STREAM_FILES)
    if "architectures" in found:
        return _converted(found, Stream, subject)
    return _converted({"architectures": found}, Marketplace, subject)


def require_stream(found: Stream | Marketplace, subject: str) -> Stream:
    """Return metadata that has disks.

    Raises:
        InputError: it has only a marketplace's offers.
    """
    if isinstance(found, Marketplace):
        raise InputError(subject, "offers of a marketplace, without disks", STREAM_FILES)
    return found


def _converted(found: dict[str, Any], kind: type[_T], subject: str) -> _T:
    try:
        return msgspec.convert(found, kind)
    except msgspec.ValidationError as exc:
        raise InputError(subject, f"not stream metadata: {exc}", STREAM_FILES) from exc
