"""What a reference names: one image, or the node images of a release by stream.

The list of a release is read from the layer that has it, from the top; nothing is copied.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.contract.reading.access import Access
from harness.contract.reading.image_reader import ImageReader, layer_members, open_image
from harness.images.container.release import VERSION, search, stream_images
from harness.images.reference import parse
from harness.model.claims import STREAM_CLASS
from harness.model.clock import Deadline
from harness.model.errors import InputError


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedImages:
    """References by stream, as `rhel-9`; of an image, its own stream, or empty.

    `release` is the version of a release, empty for an image.
    """

    subject: str
    images: Mapping[str, str]
    release: str = ""

    @property
    def is_release(self) -> bool:
        """Whether it is a release."""
        return bool(self.release)

    def of_stream(self, name: str) -> NamedImages:
        """Return the image of one stream alone.

        Raises:
            InputError: it has none.
        """
        if name not in self.images:
            known = ", ".join(self.images)
            problem = f"no node image of the stream {name or 'that is not named'}, only of {known}"
            raise InputError(self.subject, problem, "Choose a stream with --os-stream.")
        return NamedImages(
            subject=self.subject, images={name: self.images[name]}, release=self.release
        )


def named_by(subject: str, access: Access, deadline: Deadline, stream: str = "") -> NamedImages:
    """Return what a reference, or the path or URL of a bootimage, names.

    `stream` chooses one of a release; for an image it means nothing.

    Raises:
        InputError: it cannot be read, or has no image of this stream.
        DeadlineError: the time is over.
    """
    if not _is_reference(subject):
        return NamedImages(subject=subject, images={"": subject})
    with open_image(subject, access, deadline) as reader:
        release = reader.labels.get(VERSION)
        if release is None:
            return NamedImages(
                subject=subject, images={reader.labels.get(STREAM_CLASS, ""): subject}
            )
        text = _references(reader, access, deadline)
    found = NamedImages(subject=subject, images=_by_stream(text, subject, stream), release=release)
    return found.of_stream(stream) if stream else found


def _by_stream(text: str, subject: str, wish: str) -> dict[str, str]:
    """Return references by stream; one that was asked for by its tag has the tag as name."""
    images = stream_images(text, subject)
    names = [image.tag if wish == image.tag else image.stream for image in images]
    if twice := {name for name in names if names.count(name) > 1}:
        problem = f"several node images of the stream {', '.join(sorted(twice))}"
        raise InputError(subject, problem, "Choose one by its tag with --os-stream.")
    return {name: f"docker://{image.spec}" for name, image in zip(names, images, strict=True)}


def _is_reference(subject: str) -> bool:
    try:
        parse(subject)
    except InputError:
        return False
    return True


def _references(reader: ImageReader, access: Access, deadline: Deadline) -> str:
    if access.cache is None:
        return _search(reader, deadline)

    def make(path: Path) -> None:
        path.write_text(_search(reader, deadline), encoding="utf-8")

    key = f"{reader.digest.removeprefix('sha256:')}-image-references"
    return access.cache.get_or_make(key, make, deadline).read_text(encoding="utf-8")


def _search(reader: ImageReader, deadline: Deadline) -> str:
    return search(
        lambda number: layer_members(reader, number, deadline), len(reader.layers), reader.subject
    )
