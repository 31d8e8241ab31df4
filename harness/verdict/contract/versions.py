"""Checks versions, RHEL and architecture of node image, base and bootimage. Pure."""

from __future__ import annotations

from harness.contract.inspection import Inspection
from harness.model.claims import STREAM_CLASS, VERSION, build_versions
from harness.model.versions.version import Version, numbers, parsed
from harness.verdict.contract.image_set import ImageSet, NotJudged, Role
from harness.verdict.phrases import listing, said

_BOOTED = "OSTREE_VERSION"
_MACHINE_OS = "machine-os"
_FAMILIES = {"rhel": "rhel", "rhcos": "rhel", "centos": "centos", "scos": "centos"}


def family(image: Inspection) -> str | None:
    """Return `rhel` or `centos` by os-release, None for another system."""
    return _FAMILIES.get((image.os_release or {}).get("ID", ""))


def version_of(image: Inspection) -> Version | None:
    """Return the CoreOS version in os-release, or that of the labels."""
    return parsed((image.os_release or {}).get(_BOOTED)) or image.claims.base


def version_is_inherited(images: ImageSet, base: Inspection) -> str | None:
    """Check that labels and os-release of both images have one version."""
    places = {
        f"{place} of the {role}": value
        for role, image in ((Role.BASE, base), (Role.NODE, images.node))
        for place, value in _versions(image).items()
    }
    claimed = {value for value in places.values() if value is not None}
    if len(claimed) == 1 and places[f"{_BOOTED} of the {Role.NODE}"] is not None:
        return None
    return listing(f"{place}: {value or 'absent'}" for place, value in places.items())


def machine_os_is_named(images: ImageSet) -> str | None:
    """Check that a label names the version that os-release has."""
    found = _versions(images.node)
    if found[_MACHINE_OS] is not None and found[_MACHINE_OS] == found[_BOOTED]:
        return None
    return "; ".join(f"{place}: {found[place] or 'absent'}" for place in (_MACHINE_OS, _BOOTED))


def stream_class_fits(images: ImageSet) -> str | None:
    """Check that the stream class has the family and the major version of the image's RHEL."""
    label = said(images.node.labels.get(STREAM_CLASS))
    name, major = _rhel(images.node)
    if name is None or major is None:
        return f"{STREAM_CLASS}: {label}; the RHEL of the node image is unknown"
    expected = repr(f"{name}-{major}")
    return None if label == expected else f"{STREAM_CLASS}: {label}; expected: {expected}"


def bootimage_is_of_the_rhel(images: ImageSet, disk: Inspection) -> str | None:
    """Check that both are RHEL, or both CentOS, of one major version."""
    was, now = _rhel(disk), _rhel(images.node)
    if was == now and None not in was:
        return None
    return f"bootimage: {_shown(was)}; node image: {_shown(now)}"


def bootimage_is_not_newer(images: ImageSet, disk: Inspection) -> str | None:
    """Check that the bootimage's RHEL is the node image's or an older one."""
    was, now = version_of(disk), version_of(images.node)
    if was is None or now is None or was.rhel is None or now.rhel is None:
        return f"bootimage: version {was or 'unknown'}; node image: {now or 'unknown'}"
    if numbers(was.rhel) <= numbers(now.rhel):
        return None
    return f"bootimage: RHEL {was.rhel} ({was}); node image: RHEL {now.rhel} ({now})"


def architectures_agree(images: ImageSet) -> str | NotJudged | None:
    """Check that all images that were given are for one architecture."""
    given = {Role.NODE: images.node, **images.others}
    if len(given) == 1:
        return NotJudged(lacks="no other image was given", remedy=f"Add {Role.BASE.option}.")
    if len({image.architecture for image in given.values()}) == 1:
        return NotJudged.unread(images.unreadable) if images.unreadable else None
    return listing(f"{role}: {image.architecture or 'unknown'}" for role, image in given.items())


def _versions(image: Inspection) -> dict[str, str | None]:
    return {
        f"label {VERSION}": image.labels.get(VERSION),
        _MACHINE_OS: build_versions(image.labels).get(_MACHINE_OS),
        _BOOTED: (image.os_release or {}).get(_BOOTED),
    }


def _rhel(image: Inspection) -> tuple[str | None, int | None]:
    version = version_of(image)
    return family(image), version.rhel_major if version and version.rhel else None


def _shown(rhel: tuple[str | None, int | None]) -> str:
    return " ".join(str(part or "unknown") for part in rhel)
