"""Which layer of the design installed a package: bootc, CoreOS or node. Pure.

The layers of an image's archive do not say it: the base is squashed, and split again by other
rules. So the packages of the base image decide, and those of the bootc image below it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum

from harness.contract.inspection import Inspection
from harness.model.packages.nevra import Nevra


class PackageLayer(StrEnum):
    """A layer of the design."""

    BOOTC = "bootc"
    COREOS = "CoreOS"
    NODE = "node"
    UNKNOWN = "unknown"


def package_layers(
    packages: Iterable[Nevra],
    base: frozenset[Nevra] | None = None,
    bootc: frozenset[Nevra] | None = None,
) -> Mapping[Nevra, PackageLayer]:
    """Return the layer of each package; `unknown` without the packages of the base image.

    Without those of the bootc image, its packages count as CoreOS'. Another build of a package of
    the base comes from the node layer, which replaced it.
    """
    return {package: _layer(package, base, bootc) for package in packages}


def _layer(
    package: Nevra, base: frozenset[Nevra] | None, bootc: frozenset[Nevra] | None
) -> PackageLayer:
    if bootc is not None and package in bootc:
        return PackageLayer.BOOTC
    if base is None:
        return PackageLayer.UNKNOWN
    return PackageLayer.COREOS if package in base else PackageLayer.NODE


def why_not_base(image: Inspection, base: Inspection) -> str | None:
    """Return why `image` is not built on `base`, None if it is: its layers begin with the base's.

    No label names the base. Diff ids are of unpacked layers: they survive another compression.
    """
    pairs = enumerate(zip(image.layers, base.layers, strict=False), start=1)
    other = next((number for number, (ours, its) in pairs if ours.diff_id != its.diff_id), None)
    if other is not None:
        return f"not built on {base.subject}: layer {other} differs"
    if len(image.layers) < len(base.layers):
        return f"not built on {base.subject}, which has more layers"
    return None
