"""Read a node image by its reference: digest, labels and layers."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace

from harness.images.container.oci_folder import OciFolder, chosen
from harness.images.container.skopeo import Source, inspect_config, inspect_manifest
from harness.images.layers.blob_stream import Descriptor
from harness.images.oci.layout_image import require_listed
from harness.images.oci.manifest import parse_config, parse_list, parse_manifest
from harness.images.reference import Reference, Transport
from harness.model.claims import VERSION, Claims, build_versions, claims_of
from harness.model.clock import Deadline
from harness.model.errors import InputError

# Source: openshift/os, Containerfile of the node layer, and `rpm-ostree compose` for ostree.*
_MARKS = ("io.openshift.metalayer", "containers.bootc", "ostree.")
_RELEASE = "io.openshift.release"
_STAND_IN = "io.node-image.stand-in"


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeImage:
    """One image for one architecture; a registry reference is pinned to `digest`.

    `list_digest` is the digest of the list that it was chosen from; empty without a list.
    """

    reference: Reference
    digest: str
    labels: Mapping[str, str]
    layers: tuple[Descriptor, ...]
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
    text = inspect_manifest(source, deadline).encode()
    require_listed(source.reference, _digest(text))
    subject, listed = str(source.reference), ""
    images = parse_list(text, subject)
    if images is not None:
        listed = _digest(text)
        source, text = _member(source, chosen(images, source), deadline)
    digest = _digest(text)
    if source.reference.transport is Transport.DOCKER:
        source = replace(source, reference=source.reference.at_digest(digest))
    layers = parse_manifest(text, subject).layers
    config = parse_config(inspect_config(source, deadline).encode(), subject, len(layers))
    source.require_architecture(config.architecture)
    return NodeImage(
        reference=source.reference, digest=digest, labels=config.labels, layers=layers,
        list_digest=listed,
    )  # fmt: skip


def _member(source: Source, chosen: Descriptor, deadline: Deadline) -> tuple[Source, bytes]:
    """Return where the image of a list is, and its manifest."""
    match source.reference.transport:
        case Transport.DOCKER:
            pinned = replace(source, reference=source.reference.at_digest(chosen.digest))
            return pinned, inspect_manifest(pinned, deadline).encode()
        case Transport.OCI:  # skopeo has no name for the image, but chooses it by architecture
            return source, OciFolder(source, deadline).manifest()[2]
        case _:
            subject = str(source.reference)
            command = f"skopeo --override-arch={source.go_arch} copy {subject} oci:ONE"
            remedy = f"Run `{command}`, and use oci:ONE."
            raise InputError(subject, "a local list of images for several architectures", remedy)


def _digest(text: bytes) -> str:
    return f"sha256:{hashlib.sha256(text).hexdigest()}"
