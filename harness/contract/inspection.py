"""What one image says about itself, and what its layers contain."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from harness.model.claims import Claims, claims_of
from harness.model.nevra import Nevra


class Depth(StrEnum):
    """Where the packages and os-release of an inspection come from."""

    QUICK = "quick"
    """Labels and the small metadata layers."""
    DEEP = "deep"
    """The rpm database and the files of the squashed layers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageLayer:
    """One layer: the digests of its blob and of its unpacked archive, and its transfer size."""

    digest: str
    diff_id: str
    size_bytes: int
    created_by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """An image for one architecture, which has the name that Go gives it.

    `packages` and `os_release` are None where the depth does not reach them. `kernel` is the
    version, release and architecture of the kernel package.
    """

    subject: str
    digest: str
    architecture: str
    depth: Depth
    labels: Mapping[str, str]
    layers: tuple[ImageLayer, ...]
    packages: frozenset[Nevra] | None = None
    os_release: Mapping[str, str] | None = None
    kernel: str | None = None
    problems: tuple[str, ...] = ()

    @property
    def size_bytes(self) -> int:
        """The number of bytes that a first pull transfers."""
        return sum(layer.size_bytes for layer in self.layers)

    @property
    def claims(self) -> Claims:
        """The claims of the image's labels."""
        return claims_of(self.labels)
