"""The release of one run: its images by tag, and a release image that answers for them.

A real release image names its images by where they were published. A stand-in's images are in the
run's registry, on a port chosen for the run, so its release image is written for each run.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from harness.cluster.payload import ARCH, RELEASE, TAG, Payload
from harness.images.container.registry import Registry
from harness.images.container.skopeo import Source
from harness.images.oci.writing import tar_layer, write_image
from harness.images.reference import Reference, Transport
from harness.model.clock import Deadline

NODE_IMAGE = "rhel-coreos"
PAUSE = "pod"
ETCD = "etcd"
HYPERKUBE = "hyperkube"
MACHINE_CONFIG = "machine-config-operator"
"""The tags that the harness asks for. Source: openshift/installer, bootkube.sh.template."""

_REFERENCES = "release-manifests/image-references"
_METADATA = "release-manifests/release-metadata"
_PROGRAM = "usr/bin/cluster-version-operator"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleasePayload:
    """A release as guests reach it: its pull spec, and those of its images by their tags."""

    release_pull_spec: str
    images: Mapping[str, str]


def push_release(
    registry: Registry, payload: Payload, known: Mapping[str, str], deadline: Deadline
) -> ReleasePayload:
    """Push the payload's images, and a release image of them; return the run's release.

    `known` has the pull specs of images that are in the registry already, by their tags: the node
    image's and the pause image's.

    Raises:
        InputError: an image cannot be read.
        DeadlineError: the time is over.
    """
    images = {
        **known,
        ETCD: _push(registry, payload.etcd_image, "etcd", deadline),
        HYPERKUBE: _push(registry, payload.hyperkube_image, "hyperkube", deadline),
        MACHINE_CONFIG: _push(registry, payload.machine_config_image, "machine-config", deadline),
    }
    release = _write_release(registry, payload, images)
    pull_spec = _push(registry, release, "release", deadline)
    return ReleasePayload(release_pull_spec=pull_spec, images=images)


def image_references(version: str, images: Mapping[str, str]) -> str:
    """Return the image stream of a release, as JSON.

    Source: openshift/api, image/v1 ImageStream, as `oc adm release new` writes it.
    """
    tags = [
        {"name": tag, "from": {"kind": "DockerImage", "name": images[tag]}}
        for tag in sorted(images)
    ]
    document = {
        "kind": "ImageStream",
        "apiVersion": "image.openshift.io/v1",
        "metadata": {"name": version},
        "spec": {"lookupPolicy": {"local": False}, "tags": tags},
    }
    return json.dumps(document, indent=2) + "\n"


def _write_release(registry: Registry, payload: Payload, images: Mapping[str, str]) -> Reference:
    folder = registry.folder / "release-image"
    version = "stand-in"
    metadata = json.dumps({"kind": "cincinnati-metadata-v0", "version": version}) + "\n"
    layers = (
        tar_layer({_PROGRAM: payload.release_program.read_bytes()}),
        tar_layer(
            {
                _REFERENCES: image_references(version, images).encode(),
                _METADATA: metadata.encode(),
            },
            mode=0o644,
        ),
    )
    config = {
        "Entrypoint": [f"/{_PROGRAM}"],
        "Labels": {RELEASE: version, "io.node-image.stand-in": "true"},
    }
    write_image(folder, TAG, ARCH, layers, config)
    return Reference(transport=Transport.OCI, rest=f"{folder}:{TAG}")


def _push(registry: Registry, reference: Reference, name: str, deadline: Deadline) -> str:
    return registry.push(Source(reference=reference, arch=ARCH), name, deadline)
