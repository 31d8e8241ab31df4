"""Release images: find the node image among the images of a release.

The list of images is a file in the release image. The layers are fetched once and searched as
streams. Nothing is unpacked, and member names are never used as paths of the host.
"""

from __future__ import annotations

import shutil
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from harness.images.acquire.cache import Cache
from harness.images.container import node_image, skopeo, streams
from harness.images.container.layer_stream import members
from harness.images.container.reference import Reference, Transport, parse
from harness.images.container.skopeo import Source, Target
from harness.images.container.streams import StreamWish
from harness.model.clock import Deadline
from harness.model.errors import InputError
from harness.model.foreign import json_value

_REFERENCES = "release-manifests/image-references"
_LIMIT_BYTES = 16 << 20
_INSPECT = "Check the image with `oc adm release info`."
_VERSION = "io.openshift.release"


@dataclass(frozen=True, slots=True, kw_only=True)
class Released:
    """The node image that a release names; `version` is the release's, empty if it has none.

    `reason` says why this stream was chosen.
    """

    reference: Reference
    stream: str
    reason: str
    version: str = ""


def node_image_of(release: Source, wish: StreamWish, cache: Cache, deadline: Deadline) -> Released:
    """Return the node image that `release` names; `cache` keeps its list by digest.

    Raises:
        InputError: the release cannot be read, is not a release image, or does not name one node
            image that fits `wish`.
        DeadlineError: the deadline has passed.
    """
    image = node_image.resolve(release, deadline)
    pinned = replace(release, reference=image.reference, size_bytes=image.size_bytes)
    key = f"{image.digest.removeprefix('sha256:')}-image-references"
    path = cache.get_or_make(key, partial(_fetch_references, pinned, deadline), deadline)
    found = parse_references(path.read_text(), str(release.reference), wish)
    return replace(found, version=image.labels.get(_VERSION, ""))


def parse_references(text: str, subject: str, wish: StreamWish) -> Released:
    """Return the node image in an `image-references` file; errors call the release `subject`.

    Raises:
        InputError: the text is not an image stream, or does not name one image that fits `wish`.
    """
    tags = _tags(text, subject)
    images = [image for tag in tags if (image := streams.of_tag(*tag)) is not None]
    if not images:
        listed = ", ".join(sorted(name for name, _, _ in tags))
        problem = f"no node image (rhel-coreos or stream-coreos) among {listed}"
        raise InputError(subject, problem, "Name the node image with --node-image.")
    image, reason = streams.choose(images, wish, subject)
    return Released(reference=parse(f"docker://{image.spec}"), stream=str(image), reason=reason)


def read_references(layout: Path, subject: str, deadline: Deadline) -> str:
    """Return the text of `image-references` from an OCI layout with one image.

    Raises:
        InputError: no layer has it, or a layer cannot be read.
        DeadlineError: the deadline has passed.
    """
    for digest in reversed(_layer_digests(layout)):
        text = _search(_blob(layout, digest), f"{subject}, layer {digest}", deadline)
        if text is not None:
            return text
    problem = f"not a release image: it has no {_REFERENCES}"
    remedy = "Use a release image, or name a node image with --node-image."
    raise InputError(subject, problem, remedy)


def _fetch_references(release: Source, deadline: Deadline, target: Path) -> None:
    layout = target.with_name("layout")
    shutil.rmtree(layout, ignore_errors=True)
    local = Reference(transport=Transport.OCI, rest=f"{layout}:release")
    try:
        skopeo.copy(release, Target(reference=local, folder=layout), deadline)
        target.write_text(read_references(layout, str(release.reference), deadline))
    finally:
        shutil.rmtree(layout, ignore_errors=True)


# `Any` is OCI and OpenShift JSON, of which only the fields below are read.
def _layer_digests(layout: Path) -> list[str]:
    index: Any = json_value((layout / "index.json").read_text())
    manifest: Any = json_value(_blob(layout, index["manifests"][0]["digest"]).read_text())
    return [layer["digest"] for layer in manifest["layers"]]


def _blob(layout: Path, digest: str) -> Path:
    algorithm, _, name = digest.partition(":")
    return layout / "blobs" / algorithm / Path(name).name


def _search(blob: Path, subject: str, deadline: Deadline) -> str | None:
    with blob.open("rb") as packed:
        for member, layer in members(packed, subject, deadline):
            if member.name.removeprefix("./") == _REFERENCES and member.isreg():
                return _text(layer, member, subject)
    return None


def _text(layer: tarfile.TarFile, member: tarfile.TarInfo, subject: str) -> str:
    file = layer.extractfile(member)
    if file is None or member.size > _LIMIT_BYTES:
        problem = f"implausible {_REFERENCES} of {member.size} bytes"
        raise InputError(subject, problem, _INSPECT)
    return file.read().decode(errors="replace")


def _tags(text: str, subject: str) -> list[tuple[str, str, Mapping[str, str]]]:
    """Return the images of a release: name of the tag, pull spec, annotations."""
    try:
        return [
            (tag["name"], tag["from"]["name"], dict(tag.get("annotations") or {}))
            for tag in json_value(text)["spec"]["tags"]
            if tag["from"]["kind"] == "DockerImage"
        ]
    except (ValueError, KeyError, TypeError) as exc:
        problem = f"{_REFERENCES} is not an image stream"
        raise InputError(subject, problem, _INSPECT) from exc
