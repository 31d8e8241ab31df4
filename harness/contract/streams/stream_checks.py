"""What is wrong in CoreOS stream metadata, apart from what only a server knows. Pure."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from harness.images.acquire.http_client import url_fault
from harness.images.acquire.url import is_url
from harness.model.versions.coreos_stream import Artifact, CloudImage, Marketplace, Stream
from harness.model.versions.version import Scheme, Version, parsed
from harness.model.versions.version_order import order_of

ARCHITECTURES = ("aarch64", "ppc64le", "s390x", "x86_64")
"""Those for which OpenShift and Fedora CoreOS are built."""
_SHA256 = re.compile(r"[0-9a-f]{64}")
_DIGEST_REFERENCE = re.compile(r"[^@\s]+@sha256:[0-9a-f]{64}")
_OFFER_VERSION = re.compile(r"\d+\.\d+\.\d+", re.ASCII)
_SHOWN_PLACES = 3


class Severity(StrEnum):
    """How bad a finding is."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A problem at a place, as `x86_64/qemu/qcow2.gz/disk`; the place is empty for the whole."""

    severity: Severity
    place: str
    problem: str


def check(found: Stream | Marketplace) -> tuple[Finding, ...]:
    """Return what is wrong, in the order of the metadata."""
    if isinstance(found, Marketplace):
        return (*_architectures(found.architectures, by_all=False), *_offers(found))
    return (
        *_architectures(found.architectures, by_all=True), *_files(found), *_clouds(found),
        *_releases(releases_of(found)),
    )  # fmt: skip


def releases_of(found: Stream) -> dict[str, list[str]]:
    """Return the places of each release in the metadata, by the release."""
    places: dict[str, list[str]] = defaultdict(list)
    for name, architecture in found.architectures.items():
        for key, platform in architecture.artifacts.items():
            places[platform.release].append(f"{name}/{key}")
        for place, image in _cloud_images(name, architecture.images, architecture.extensions):
            for region, there in image.regions.items():
                places[there.release].append(f"{place}/{region}")
            if image.release or not image.regions:
                places[image.release].append(place)
    return dict(places)


def _architectures(names: Iterable[str], *, by_all: bool) -> Iterator[Finding]:
    known = set(names)
    if not known:
        yield _error("", "no architecture")
    for name in sorted(known - {*ARCHITECTURES}):
        yield _error(name, f"unknown architecture, not one of {', '.join(ARCHITECTURES)}")
    if by_all:
        for name in sorted({*ARCHITECTURES} - known):
            yield _warning(name, "nothing for this architecture")


def _files(found: Stream) -> Iterator[Finding]:
    places: dict[str, str] = {}
    for place, release, artifact in found.files():
        yield from _sums(place, artifact)
        yield from _location(place, release, artifact.location)
        yield from _malformed(f"{place} (signature)", artifact.signature)
        first = places.setdefault(artifact.sha256, place)
        if first != place and artifact.sha256:
            yield _warning(place, f"has the sha256 of {first}")
    for name, architecture in found.architectures.items():
        if not architecture.artifacts:
            yield _error(name, "no artifacts")
        for key, platform in architecture.artifacts.items():
            if not any(platform.formats.values()):
                yield _error(f"{name}/{key}", "no files")


def _sums(place: str, artifact: Artifact) -> Iterator[Finding]:
    if not artifact.sha256:
        yield _error(place, "no sha256")
    elif not _SHA256.fullmatch(artifact.sha256):
        yield _error(place, f"sha256 is not 64 lower-case hexadecimal digits: {artifact.sha256}")
    inner = artifact.uncompressed_sha256
    if inner and not _SHA256.fullmatch(inner):
        yield _error(place, f"uncompressed-sha256 is not 64 lower-case hexadecimal digits: {inner}")
    elif inner and inner == artifact.sha256:
        yield _error(place, "sha256 and uncompressed-sha256 are equal")


def _location(place: str, release: str, location: str) -> Iterator[Finding]:
    architecture = place.partition("/")[0]
    if not location.startswith("https://"):
        yield _error(place, f"not an https URL: {location}")
    yield from _malformed(place, location)
    if release and release not in location:
        yield _warning(place, f"the URL does not have the release {release}: {location}")
    others = [name for name in ARCHITECTURES if name != architecture and name in location]
    if others and architecture not in location:
        yield _error(place, f"the URL is for {others[0]}: {location}")


def _malformed(place: str, url: str) -> Iterator[Finding]:
    if is_url(url) and (fault := url_fault(url)):
        yield _error(place, f"{fault}: {url}")


def _cloud_images(name: str, *groups: Mapping[str, CloudImage]) -> Iterator[tuple[str, CloudImage]]:
    for group in groups:
        for key, image in group.items():
            yield f"{name}/{key}", image


def _clouds(found: Stream) -> Iterator[Finding]:
    for name, architecture in found.architectures.items():
        for place, image in _cloud_images(name, architecture.images, architecture.extensions):
            if image.digest_ref and not _DIGEST_REFERENCE.fullmatch(image.digest_ref):
                yield _error(place, f"digest-ref has no sha256 digest: {image.digest_ref}")
            yield from _malformed(place, image.url)
            for region, there in image.regions.items():
                is_ami = there.image.startswith("ami-")
                yield from _malformed(f"{place}/{region}", there.url)
                if place.split("/")[1].startswith("aws") and not is_ami:
                    yield _error(f"{place}/{region}", f"not an AMI: {there.image or 'empty'}")


def _releases(places: Mapping[str, list[str]]) -> Iterator[Finding]:
    versions: dict[str, Version] = {}
    for release, where in places.items():
        if (version := parsed(release)) is None:
            yield _error(_listed(where), f"not a CoreOS version: {release or 'empty'}")
        else:
            versions[release] = version
    schemes: dict[Scheme, str] = {}
    for release, version in versions.items():
        schemes.setdefault(order_of(version.scheme), release)
    if len(schemes) > 1:
        named = ", ".join(f"{release} ({scheme})" for scheme, release in schemes.items())
        yield _error("", f"versions of several schemes: {named}")
    if len(versions) > 1:
        counted = sorted(versions, key=lambda release: len(places[release]))
        for release in counted[:-1]:
            problem = f"release {release}, elsewhere {counted[-1]}"
            yield _warning(_listed(places[release]), problem)


def _offers(found: Marketplace) -> Iterator[Finding]:
    versions = set()
    for place, offer in found.offers():
        versions.add(offer.version)
        if not _OFFER_VERSION.fullmatch(offer.version):
            yield _error(place, f"a version without three numbers: {offer.version or 'empty'}")
        for field in ("publisher", "offer", "sku"):
            if not getattr(offer, field):
                yield _error(place, f"empty {field}")
    if not versions:
        yield _error("", "no offers")
    if len(versions) > 1:
        yield _warning("", f"offers of several versions: {', '.join(sorted(versions))}")


def _listed(places: list[str]) -> str:
    more = len(places) - _SHOWN_PLACES
    return ", ".join(places[:_SHOWN_PLACES]) + (f" and {more} more" if more > 0 else "")


def _error(place: str, problem: str) -> Finding:
    return Finding(severity=Severity.ERROR, place=place, problem=problem)


def _warning(place: str, problem: str) -> Finding:
    return Finding(severity=Severity.WARNING, place=place, problem=problem)
