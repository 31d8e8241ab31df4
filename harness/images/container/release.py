"""Release images: find the node image among the images of a release.

Their list is a file in the release image. Its layers are fetched once and searched as streams:
nothing is unpacked, and member names are compared, never used as paths.
"""

from __future__ import annotations

import json
import shutil
import tarfile
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, cast

from harness.images.acquire.cache import Cache
from harness.images.acquire.compression import DAMAGE, opened
from harness.images.container import node_image, skopeo
from harness.images.container.reference import Reference, Transport, parse
from harness.images.container.skopeo import Source, Target
from harness.model.clock import Deadline
from harness.model.errors import InputError

_REFERENCES = "release-manifests/image-references"
_LIMIT_BYTES = 16 << 20
# Source: installer, release-image.sh and node-image-pull.sh (OCP, then OKD)
_TAGS = ("rhel-coreos", "stream-coreos")


def node_image_of(release: Source, cache: Cache, deadline: Deadline) -> Reference:
    """Return the node image that `release` names; `cache` keeps its list by digest.

    Raises:
        InputError: the release cannot be read, is not a release image, or names no node image.
        DeadlineError: the time is over.
    """
    image = node_image.resolve(release, deadline)
    pinned = replace(release, reference=image.reference, size_bytes=image.size_bytes)
    key = f"{image.digest.removeprefix('sha256:')}-image-references"
    path = cache.get_or_make(key, partial(_fetch_references, pinned, deadline), deadline)
    return parse_references(path.read_text(), str(release.reference))


def parse_references(text: str, subject: str) -> Reference:
    """Return the node image in an `image-references` file; errors call the release `subject`.

    Raises:
        InputError: the text is not an image stream, or has neither tag.
    """
    images = _images(text, subject)
    for tag in _TAGS:
        if tag in images:
            return parse(f"docker://{images[tag]}")
    problem = f"names no node image: none of {', '.join(_TAGS)} among {', '.join(sorted(images))}"
    raise InputError(subject, problem, "name the node image itself with --node-image")


def read_references(layout: Path, subject: str) -> str:
    """Return the text of `image-references` from an OCI layout with one image.

    Raises:
        InputError: no layer has it, or a layer cannot be read.
    """
    for digest in reversed(_layer_digests(layout)):
        text = _search(_blob(layout, digest), subject)
        if text is not None:
            return text
    problem = f"is not a release image: it has no {_REFERENCES}"
    raise InputError(subject, problem, "name a release image, or a node image with --node-image")


def _fetch_references(release: Source, deadline: Deadline, target: Path) -> None:
    layout = target.with_name("layout")
    shutil.rmtree(layout, ignore_errors=True)
    local = Reference(transport=Transport.OCI, rest=f"{layout}:release")
    try:
        skopeo.copy(release, Target(reference=local, folder=layout), deadline)
        target.write_text(read_references(layout, str(release.reference)))
    finally:
        shutil.rmtree(layout, ignore_errors=True)


# `Any` is OCI and OpenShift JSON, of which only the fields below are read.
def _layer_digests(layout: Path) -> list[str]:
    index: Any = json.loads((layout / "index.json").read_text())
    manifest: Any = json.loads(_blob(layout, index["manifests"][0]["digest"]).read_text())
    return [layer["digest"] for layer in manifest["layers"]]


def _blob(layout: Path, digest: str) -> Path:
    algorithm, _, name = digest.partition(":")
    return layout / "blobs" / algorithm / Path(name).name


def _search(blob: Path, subject: str) -> str | None:
    try:
        with (
            blob.open("rb") as packed,
            tarfile.open(fileobj=cast("Any", opened(packed)), mode="r|") as layer,
        ):
            for member in layer:
                if member.name.removeprefix("./") == _REFERENCES and member.isreg():
                    return _text(layer, member, subject)
    except (*DAMAGE, tarfile.TarError) as exc:
        problem = f"has a layer that cannot be read: {exc}"
        raise InputError(subject, problem, "check the release image") from exc
    return None


def _text(layer: tarfile.TarFile, member: tarfile.TarInfo, subject: str) -> str:
    file = layer.extractfile(member)
    if file is None or member.size > _LIMIT_BYTES:
        problem = f"has an implausible {_REFERENCES} of {member.size} bytes"
        raise InputError(subject, problem, "check the release image")
    return file.read().decode(errors="replace")


def _images(text: str, subject: str) -> Mapping[str, str]:
    try:
        tags = json.loads(text)["spec"]["tags"]
        return {
            tag["name"]: tag["from"]["name"] for tag in tags if tag["from"]["kind"] == "DockerImage"
        }
    except (ValueError, KeyError, TypeError) as exc:
        problem = f"has an {_REFERENCES} that is no image stream"
        raise InputError(subject, problem, "check the release image") from exc
