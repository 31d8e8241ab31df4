"""Read a node image by its reference: digest, labels and layers."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from harness.images.container.skopeo import Source, inspect_config, inspect_manifest
from harness.images.oci.layout_image import require_listed
from harness.images.reference import Reference, Transport
from harness.model.claims import VERSION, Claims, build_versions, claims_of
from harness.model.clock import Deadline
from harness.model.errors import InputError
from harness.model.foreign import json_value

# Source: openshift/os, Containerfile of the node layer, and `rpm-ostree compose` for ostree.*
_MARKS = ("io.openshift.metalayer", "containers.bootc", "ostree.")
_RELEASE = "io.openshift.release"
_STAND_IN = "io.node-image.stand-in"


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerBlob:
    """One layer in the manifest: digest and transfer size."""

    digest: str
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeImage:
    """One image for one architecture; a registry reference is pinned to `digest`.

    `list_digest` is the digest of the list that it was chosen from; empty without a list.
    """

    reference: Reference
    digest: str
    labels: Mapping[str, str]
    layers: tuple[LayerBlob, ...]
    list_digest: str = ""

    @property
    def size_bytes(self) -> int:
        """The number of bytes that a first pull transfers."""
        return sum(layer.size_bytes for layer in self.layers)

    @property
    def version(self) -> str | None:
        """The version of the image, or of the CoreOS it was built from."""
        return self.labels.get(VERSION) or self.build_versions.get("machine-os")

    @property
    def is_stand_in(self) -> bool:
        """Whether it was built here from Debian packages."""
        return self.labels.get(_STAND_IN) == "true"

    @property
    def claims(self) -> Claims:
        """The claims of the image's labels."""
        return claims_of(self.labels)

    @property
    def build_versions(self) -> dict[str, str]:
        """Component versions, such as `machine-os`."""
        return build_versions(self.labels)

    def why_not_node_image(self) -> str | None:
        """Return the reason why this is not a node image, or None if it looks like one."""
        if _RELEASE in self.labels:
            return "it is a release image"
        if "machine-os" in self.build_versions:
            return None
        if any(label.startswith(_MARKS) for label in self.labels):
            return None
        return f"it has no label {', '.join(_MARKS[:-1])} or {_MARKS[-1]}*"


def resolve(source: Source, deadline: Deadline) -> NodeImage:
    """Return the image of `source`. From a list, choose the one for its architecture.

    Raises:
        InputError: it cannot be read, or is not for that architecture.
    """
    text = inspect_manifest(source, deadline)
    require_listed(source.reference, _digest(text))
    manifest = _parsed(source, text)
    listed = ""
    if "manifests" in manifest:
        listed = _digest(text)
        source = _choose(source, manifest)
        text = inspect_manifest(source, deadline)
        manifest = _parsed(source, text)
    digest = _digest(text)
    source = _pinned(source, digest)
    return NodeImage(
        reference=source.reference, digest=digest,
        labels=_labels(source, deadline), layers=_layers(source, manifest), list_digest=listed,
    )  # fmt: skip


# `Any` is a manifest or configuration, of which only the fields below are read.
def _parsed(source: Source, text: str) -> dict[str, Any]:
    try:
        parsed = json_value(text)
    except ValueError as exc:
        raise _malformed(source) from exc
    if not isinstance(parsed, dict) or parsed.get("schemaVersion", 2) != 2:
        raise _malformed(source)
    return parsed


def _digest(text: str) -> str:
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def _malformed(source: Source) -> InputError:
    problem = "manifest or configuration is neither OCI nor Docker schema 2"
    return InputError(str(source.reference), problem, "Push the image with a current tool.")


def _choose(source: Source, index: Mapping[str, Any]) -> Source:
    subject = str(source.reference)
    platforms = _platforms(source, index)
    if source.go_arch not in platforms:
        problem = f"no image for {source.arch}, only for {', '.join(sorted(platforms))}"
        raise InputError(subject, problem, f"Use an image for {source.arch}.")
    if source.reference.transport is not Transport.DOCKER:
        # skopeo has no syntax for one image of a local list.
        command = f"skopeo --override-arch={source.go_arch} copy {subject} oci:ONE"
        remedy = f"Run `{command}`, and use oci:ONE."
        raise InputError(subject, "a local list of images for several architectures", remedy)
    return _pinned(source, platforms[source.go_arch])


def _platforms(source: Source, index: Mapping[str, Any]) -> dict[str, str]:
    """Return the digests of a list's Linux images by architecture."""
    try:
        entries = [(entry.get("platform") or {}, entry["digest"]) for entry in index["manifests"]]
        return {
            str(platform.get("architecture", "unknown")): str(digest)
            for platform, digest in entries
            if platform.get("os", "linux") == "linux"
        }
    except (AttributeError, KeyError, TypeError) as exc:
        raise _malformed(source) from exc


def _pinned(source: Source, digest: str) -> Source:
    if source.reference.transport is not Transport.DOCKER:
        return source
    return replace(source, reference=source.reference.at_digest(digest))


def _labels(source: Source, deadline: Deadline) -> dict[str, str]:
    config = _parsed(source, inspect_config(source, deadline))
    arch = config.get("architecture")
    if arch != source.go_arch:
        problem = f"an image for {arch}, not for {source.arch}"
        raise InputError(str(source.reference), problem, f"Use an image for {source.arch}.")
    try:
        labels = (config.get("config") or {}).get("Labels") or {}
        return {str(name): str(text) for name, text in labels.items()}
    except (AttributeError, TypeError, ValueError) as exc:
        raise _malformed(source) from exc


def _layers(source: Source, manifest: Mapping[str, Any]) -> tuple[LayerBlob, ...]:
    try:
        return tuple(
            LayerBlob(digest=str(entry["digest"]), size_bytes=int(entry["size"]))
            for entry in manifest["layers"]
        )
    except (KeyError, TypeError, ValueError) as exc:
        raise _malformed(source) from exc
