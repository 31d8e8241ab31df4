"""What changed between two inspected images: packages, os-release, labels, kernel, layers. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import takewhile

import msgspec

from harness.contract.comparing.file_diff import FileChange
from harness.contract.inspection import ImageLayer, Inspection
from harness.contract.package_diff import PackageChange, compare
from harness.model.errors import InputError
from harness.model.packages.nevra import Nevra

_NOTHING: Mapping[str, str] = {}


class Side(msgspec.Struct, frozen=True, kw_only=True):
    """One of two images; what is unknown is null."""

    subject: str
    digest: str
    architecture: str
    version: str | None
    openshift: str | None
    stream: str | None
    kernel: str | None
    size_bytes: int
    layers: int
    packages: int


class FieldChange(msgspec.Struct, frozen=True, kw_only=True):
    """A label or a field of os-release; a value is null on the side that lacks it."""

    name: str
    old: str | None
    new: str | None


class ImageDiff(msgspec.Struct, frozen=True, kw_only=True):
    """What changed between two images of one stream and architecture."""

    stream: str
    """Empty where two images were named, and not releases."""
    old: Side
    new: Side
    packages: tuple[PackageChange, ...]
    os_release: tuple[FieldChange, ...] | None
    """null where it was not read: with --quick."""
    labels: tuple[FieldChange, ...]
    common_layers: int
    """How many layers, from the bottom, have the same content on both sides."""
    has_other_layers: bool
    files: tuple[FileChange, ...] | None = None
    """null without --files."""

    @property
    def is_different(self) -> bool:
        """Whether anything differs."""
        found = (self.packages, self.os_release, self.labels, self.files)
        return any(found) or self.has_other_layers or self.old.kernel != self.new.kernel


def diff(
    old: Inspection,
    new: Inspection,
    *,
    stream: str = "",
    files: tuple[FileChange, ...] | None = None,
) -> ImageDiff:
    """Return what changed from `old` to `new`.

    Raises:
        InputError: they are for different architectures, or the packages of one were not read.
    """
    if old.architecture != new.architecture:
        raise InputError(
            f"{old.subject} and {new.subject}",
            f"images for different architectures: {old.architecture} and {new.architecture}",
            "Compare images for one architecture.",
        )
    is_read = old.os_release is not None and new.os_release is not None
    common = _common_layers(old.layers, new.layers)
    return ImageDiff(
        stream=stream, old=_side(old), new=_side(new),
        packages=compare(packages_of(old), packages_of(new)),
        os_release=_fields(old.os_release, new.os_release) if is_read else None,
        labels=_fields(old.labels, new.labels),
        common_layers=common, has_other_layers={common} != {len(old.layers), len(new.layers)},
        files=files,
    )  # fmt: skip


def packages_of(found: Inspection) -> frozenset[Nevra]:
    """Return the packages of an image.

    Raises:
        InputError: they were not read.
    """
    if found.packages is None:
        remedy = "Run it without --quick, or name an image of an operating system."
        raise InputError(found.subject, "no list of packages was found", remedy)
    return found.packages


def _side(found: Inspection) -> Side:
    claims = found.claims
    return Side(
        subject=found.subject, digest=found.digest, architecture=found.architecture,
        version=claims.version or (found.os_release or _NOTHING).get("OSTREE_VERSION"),
        openshift=next(iter(claims.ocp_versions), None), stream=claims.stream_class,
        kernel=found.kernel, size_bytes=found.size_bytes, layers=len(found.layers),
        packages=len(packages_of(found)),
    )  # fmt: skip


def _fields(
    old: Mapping[str, str] | None, new: Mapping[str, str] | None
) -> tuple[FieldChange, ...]:
    before, after = old or _NOTHING, new or _NOTHING
    return tuple(
        FieldChange(name=name, old=before.get(name), new=after.get(name))
        for name in sorted(before.keys() | after.keys())
        if before.get(name) != after.get(name)
    )


def _common_layers(old: tuple[ImageLayer, ...], new: tuple[ImageLayer, ...]) -> int:
    pairs = zip(old, new, strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0].diff_id == pair[1].diff_id, pairs))
