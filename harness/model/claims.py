"""What an image claims by its labels: its OpenShift, its RHEL and its stream. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from harness.model.versions.version import Version, openshift_version, parsed

VERSION = "org.opencontainers.image.version"
BUILD_VERSIONS = "io.openshift.build.versions"
STREAM_CLASS = "io.openshift.os.streamclass"
# Source: openshift/os#1946 for `cpe`; the pipeline's job build-node-image for the tag.
_CPE = "cpe"
_TAG = "coreos.build.manifest-list-tag"
_OPENSHIFT_CPE = re.compile(r"cpe:(?:/a|2\.3:a):redhat:openshift:(\d{1,18}\.\d{1,18})(?::.*)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Claims:
    """The claims of an image; a missing one is None or empty.

    `version` is that of its CoreOS base. `ocp` has each claimed OpenShift version by the place of
    the claim, the most reliable first.
    """

    version: str | None
    ocp: Mapping[str, str]
    stream_class: str | None = None

    @property
    def ocp_versions(self) -> tuple[str, ...]:
        """The claimed OpenShift versions; several contradict each other."""
        return tuple(dict.fromkeys(self.ocp.values()))

    @property
    def base(self) -> Version | None:
        """The version of the CoreOS base, in its parts."""
        return parsed(self.version)


def claims_of(labels: Mapping[str, str], release: str = "") -> Claims:
    """Return what `labels` claim.

    `release` is the version of the release that names the image; it counts if no label does.
    """
    version = build_versions(labels).get("machine-os") or labels.get(VERSION)
    return Claims(
        version=version,
        ocp=dict(_openshift(labels, version)) or _of_release(release),
        stream_class=labels.get(STREAM_CLASS),
    )


def build_versions(labels: Mapping[str, str]) -> dict[str, str]:
    """Return component versions, such as `machine-os`, from `io.openshift.build.versions`."""
    pairs = (pair.partition("=") for pair in labels.get(BUILD_VERSIONS, "").split(","))
    return {name.strip(): version.strip() for name, equals, version in pairs if equals}


def _openshift(labels: Mapping[str, str], version: str | None) -> Iterator[tuple[str, str]]:
    if cpe := _OPENSHIFT_CPE.fullmatch(labels.get(_CPE, "")):
        yield f"label {_CPE}", cpe[1]
    if tag := openshift_version(labels.get(_TAG, "")):
        yield f"label {_TAG}", tag
    if (base := parsed(version)) and base.ocp:
        yield "the image's version", base.ocp


def _of_release(release: str) -> dict[str, str]:
    named = openshift_version(release)
    return {"the release's version": named} if named else {}
