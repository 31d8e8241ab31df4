"""What one image says about itself, and what its layers contain."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from harness.model.claims import Claims, claims_of
from harness.model.packages.nevra import Nevra


class Depth(StrEnum):
    """Where the packages and os-release of an inspection come from."""

    QUICK = "quick"
    """Labels and the small metadata layers."""
    DEEP = "deep"
    """The rpm database and the files of the squashed layers."""


class Kind(StrEnum):
    """What was inspected."""

    IMAGE = "image"
    BOOTIMAGE = "bootimage"
    """A disk image; it has neither labels nor layers, and is always read in depth."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageLayer:
    """One layer: the digests of its blob and of its unpacked archive, and its transfer size."""

    digest: str
    diff_id: str
    size_bytes: int
    created_by: str = ""
    media_type: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """An image for one architecture, which has the name that Go gives it.

    `packages`, `os_release`, `extensions` and `driver_toolkit` are None where the image has none,
    or the depth does not reach them. `kernel` is the version, release and architecture of the
    kernel package. Packages of keys (`gpg-pubkey`) are left out: lists and databases differ there.
    """

    subject: str
    digest: str
    architecture: str
    depth: Depth
    labels: Mapping[str, str]
    layers: tuple[ImageLayer, ...]
    kind: Kind = Kind.IMAGE
    list_digest: str = ""
    """Of the list that the image was chosen from; empty without a list, or if a tag was named."""
    packages: frozenset[Nevra] | None = None
    os_release: Mapping[str, str] | None = None
    kernel: str | None = None
    extensions: Mapping[str, str] | None = None
    """`extensions.json` of an extensions image: version, release and architecture by package."""
    driver_toolkit: Mapping[str, str] | None = None
    """`/etc/driver-toolkit-release.json`, such as KERNEL_VERSION."""
    found_in: Mapping[str, int] = field(default_factory=dict)
    """The number of the layer, from 0 at the bottom, of each file that was read, by path."""
    read_bytes: int = 0
    """The bytes of layers that were fetched for this answer when it was first given."""
    problems: tuple[str, ...] = ()

    @property
    def size_bytes(self) -> int:
        """The number of bytes that a first pull transfers."""
        return sum(layer.size_bytes for layer in self.layers)

    @property
    def claims(self) -> Claims:
        """The claims of the image's labels."""
        return claims_of(self.labels)
