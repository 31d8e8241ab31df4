"""The node images of a release, one for each stream, and which of them is under test. Pure.

From 4.21 on a release has `rhel-coreos` and `rhel-coreos-10`; the installer takes that of its own
stream (openshift/installer pkg/rhcos/stream.go). A stream is named by its class, as `rhel-10`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.model.claims import STREAM_CLASS, claims_of
from harness.model.errors import InputError
from harness.model.versions.version import Version, parsed

_TAG = re.compile(r"(rhel|stream)-coreos(?:-(\d+))?")
_FAMILY = {"rhel": "rhel", "stream": "centos"}
# The tag without a number is older than the label, and than the second stream.
_UNNUMBERED = "9"
_VERSION = re.compile(r"\d+(?:\.\d+)+(?:-(?:dev|wip)?\d+)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamImage:
    """The node image of one stream; `spec` is its pull spec, without transport."""

    tag: str
    stream: str
    spec: str

    @property
    def major(self) -> str:
        """The RHEL major version in the name of the stream."""
        return self.stream.rpartition("-")[2]

    def __str__(self) -> str:
        return f"{self.stream} (tag {self.tag})"


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamWish:
    """How to choose a stream: by its name or tag, which `by` gave, else by the bootimage."""

    name: str = ""
    by: str = "--os-stream"
    bootimage: Version | None = None


def of_tag(tag: str, spec: str, annotations: Mapping[str, str]) -> StreamImage | None:
    """Return the node image of a release's tag; None for tags of other images."""
    found = _TAG.fullmatch(tag)
    if found is None:
        return None
    base = claims_of(annotations).base
    major = found[2] or (str(base.rhel_major) if base and base.rhel else _UNNUMBERED)
    stream = annotations.get(STREAM_CLASS) or f"{_FAMILY[found[1]]}-{major}"
    return StreamImage(tag=tag, stream=stream, spec=spec)


def choose(
    images: Sequence[StreamImage], wish: StreamWish, subject: str
) -> tuple[StreamImage, str]:
    """Return the image under test, and why it is; errors call the release `subject`.

    Raises:
        InputError: the stream that was asked for is not there, or nothing says which one to take.
    """
    if wish.name:
        fitting = [image for image in images if wish.name in (image.stream, image.tag)]
        reason = f"by {wish.by}"
    elif len(images) == 1 or wish.bootimage is None or wish.bootimage.rhel is None:
        fitting, reason = list(images), "the only one of the release"
    else:
        major = str(wish.bootimage.rhel_major)
        fitting = [image for image in images if image.major == major]
        reason = f"the bootimage is of RHEL {wish.bootimage.rhel}"
    if len(fitting) == 1:
        return fitting[0], reason
    raise InputError(subject, _problem(images, wish), "Choose a stream with --os-stream.")


def version_in_name(name: str) -> Version | None:
    """Return the CoreOS version in the name or URL of an image; None when it has none."""
    found = [version for text in _VERSION.findall(name) if (version := parsed(text))]
    return found[-1] if found else None


def _problem(images: Sequence[StreamImage], wish: StreamWish) -> str:
    known = ", ".join(map(str, images))
    if wish.name:
        return f"no node image of the stream {wish.name} ({wish.by}), only {known}"
    if wish.bootimage is not None and wish.bootimage.rhel is not None:
        return f"no single node image for a bootimage of RHEL {wish.bootimage.rhel} among {known}"
    return f"several node images, and no version in the name of the bootimage: {known}"
