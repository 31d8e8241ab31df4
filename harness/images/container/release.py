"""Release images: find the node image among the images of a release.

The list of images is a file in the release image. The layers are fetched once and searched as
streams. Nothing is unpacked, and member names are never used as paths of the host.
"""

from __future__ import annotations

import shutil
import tarfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from harness.images.acquire.cache import Cache
from harness.images.container import node_image, skopeo, streams
from harness.images.container.skopeo import Source, Target
from harness.images.container.streams import StreamImage, StreamWish
from harness.images.oci.layout_image import image_in
from harness.images.reference import Reference, Transport, parse
from harness.model.clock import Deadline
from harness.model.errors import InputError
from harness.model.foreign import json_value

REFERENCES = "release-manifests/image-references"
"""The path of the list in a release image, without a leading slash."""
MAX_REFERENCES_BYTES = 16 << 20
Members = Iterator[tuple[tarfile.TarInfo, tarfile.TarFile]]
_INSPECT = "Check the image with `oc adm release info`."
VERSION = "io.openshift.release"
"""The label of a release image, with the release's version."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Released:
    """The node image that a release names; `version` is the release's, empty if it has none.

    `reason` says why this stream was chosen. `specs` has the pull spec of each tag of the release.
    """

    reference: Reference
    stream: str
    reason: str
    version: str = ""
    tag: str = ""
    specs: Mapping[str, str] = field(default_factory=dict)


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
    # Elsewhere the copy has a manifest of its own, whose blobs skopeo verified as it copied.
    digest = image.digest if pinned.reference.transport.keeps_digests else None
    fetch = partial(_fetch_references, pinned, digest, deadline)
    text = cache.get_or_make(key, fetch, deadline).read_text(encoding="utf-8")
    found = parse_references(text, str(release.reference), wish)
    return replace(found, version=image.labels.get(VERSION, ""))


def parse_references(text: str, subject: str, wish: StreamWish) -> Released:
    """Return the node image in an `image-references` file; errors call the release `subject`.

    Raises:
        InputError: the text is not an image stream, or does not name one image that fits `wish`.
    """
    image, reason = streams.choose(stream_images(text, subject), wish, subject)
    return Released(
        reference=parse(f"docker://{image.spec}"), stream=str(image), reason=reason,
        tag=image.tag, specs={name: spec for name, spec, _ in _tags(text, subject)},
    )  # fmt: skip


def stream_images(text: str, subject: str) -> tuple[StreamImage, ...]:
    """Return the node images in an `image-references` file, at least one.

    Raises:
        InputError: the text is not an image stream, or names none.
    """
    tags = _tags(text, subject)
    images = tuple(image for tag in tags if (image := streams.of_tag(*tag)) is not None)
    if not images:
        listed = ", ".join(sorted(name for name, _, _ in tags))
        problem = f"no node image (rhel-coreos or stream-coreos) among {listed}"
        raise InputError(subject, problem, "Name the node image with --node-image.")
    return images


def read_references(layout: Path, digest: str | None, subject: str, deadline: Deadline) -> str:
    """Return the text of `image-references` from an OCI layout.

    `digest` is that of the release's manifest; for None, the layout's only image is read.

    Raises:
        InputError: no layer has it, or a blob cannot be read or has another digest.
        DeadlineError: the deadline has passed.
    """
    image = image_in(layout, digest, subject, deadline)
    return search(image.members, len(image.layers), subject)


def search(members: Callable[[int], Members], layers: int, subject: str) -> str:
    """Return the text of `image-references` from the topmost of the `layers` that has it.

    `members` gives the members of a layer by its number; it is read to its end, which verifies it.

    Raises:
        InputError: no layer has it.
        Exception: what `members` raises.
    """
    for number in reversed(range(layers)):
        text = None
        for member, layer in members(number):
            if member.name.removeprefix("./").lstrip("/") == REFERENCES and member.isreg():
                text = _text(layer, member, subject)
        if text is not None:
            return text
    problem = f"not a release image: it has no {REFERENCES}"
    remedy = "Use a release image, or name a node image with --node-image."
    raise InputError(subject, problem, remedy)


def _fetch_references(
    release: Source, digest: str | None, deadline: Deadline, target: Path
) -> None:
    layout = target.with_name("layout")
    shutil.rmtree(layout, ignore_errors=True)
    local = Reference(transport=Transport.OCI, rest=f"{layout}:release")
    try:
        skopeo.copy(release, Target(reference=local, folder=layout), deadline)
        found = read_references(layout, digest, str(release.reference), deadline)
        target.write_text(found, encoding="utf-8")
    finally:
        shutil.rmtree(layout, ignore_errors=True)


def _text(layer: tarfile.TarFile, member: tarfile.TarInfo, subject: str) -> str:
    file = layer.extractfile(member)
    if file is None or member.size > MAX_REFERENCES_BYTES:
        problem = f"implausible {REFERENCES} of {member.size} bytes"
        raise InputError(subject, problem, _INSPECT)
    return file.read().decode(errors="replace")


def _tags(text: str, subject: str) -> list[tuple[str, str, Mapping[str, str]]]:
    """Return the images of a release: name of the tag, pull spec, annotations."""
    try:
        return [
            (_string(tag["name"]), _string(tag["from"]["name"]), _strings(tag.get("annotations")))
            for tag in json_value(text)["spec"]["tags"]
            if tag["from"]["kind"] == "DockerImage"
        ]
    except (AttributeError, ValueError, KeyError, TypeError) as exc:
        problem = f"{REFERENCES} is not an image stream"
        raise InputError(subject, problem, _INSPECT) from exc


def _string(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is not text")
    return value


def _strings(value: Mapping[str, object] | None) -> dict[str, str]:
    return {name: _string(text) for name, text in (value or {}).items()}
