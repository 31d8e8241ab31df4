"""Read images from any place that containers-transports(5) names, and bootimages.

`inspect` answers from labels, metadata layers or the rpm database. `open_image` gives verified
blobs, and `squashed` all files of an image.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import IO, Any

from harness.contract.access import Access
from harness.contract.inspection import Depth, ImageLayer, Inspection
from harness.contract.tree import Tree
from harness.model.clock import Deadline


class ImageReader:
    """One opened image for one architecture; its blobs are read one at a time.

    `manifest` and `config` are the image's JSON, `layers` their layers from the bottom up.
    """

    subject: str
    digest: str
    list_digest: str
    architecture: str
    labels: Mapping[str, str]
    layers: tuple[ImageLayer, ...]
    manifest: Mapping[str, Any]
    config: Mapping[str, Any]

    def blob(self, digest: str) -> IO[bytes]:
        """Return the blob of the manifest with `digest` as a stream, packed as it was pushed.

        The caller closes it, at any time. Its end is reached only if digest and size are those of
        the manifest: else the last read raises InputError.

        Raises:
            InputError: it cannot be read, or the manifest does not name it.
            DeadlineError: the time of `open_image` is over.
        """
        raise NotImplementedError


@contextmanager
def open_image(subject: str, access: Access, deadline: Deadline) -> Iterator[ImageReader]:
    """Open the image at a reference such as `docker://…` or `oci:…` while the block runs.

    Raises:
        InputError: it cannot be read, is not an image, or not for the architecture.
        DeadlineError: the time is over.
    """
    raise NotImplementedError
    yield


def inspect(subject: str, depth: Depth, access: Access, deadline: Deadline) -> Inspection:
    """Return what the image at a reference, or the bootimage at a path or URL, says.

    The answer comes from the cache of `access` if it has one by the image's digest.

    Raises:
        InputError: it cannot be read.
        DeadlineError: the time is over.
    """
    raise NotImplementedError


def verify(quick: Inspection, deep: Inspection) -> tuple[str, ...]:
    """Return how the metadata layers contradict the rpm database, empty if they agree."""
    raise NotImplementedError


def squashed(reader: ImageReader, deadline: Deadline) -> Tree:
    """Return all files of an image, each layer read once.

    Raises:
        InputError: a layer cannot be read.
        DeadlineError: the time is over.
    """
    raise NotImplementedError
