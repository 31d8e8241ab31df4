"""Read images from any place that containers-transports(5) names, and bootimages.

`inspect` answers from labels, metadata layers or the rpm database. `open_image` gives verified
blobs, and `squashed` all files of an image.
"""

from __future__ import annotations

from harness.contract.access import Access
from harness.contract.image_reader import ImageReader, layer_members, open_image
from harness.contract.inspection import Depth, Inspection
from harness.contract.tree import Tree
from harness.model.clock import Deadline

__all__ = ["ImageReader", "inspect", "open_image", "squashed", "verify"]


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
    tree = Tree()
    for number in range(len(reader.layers)):
        tree.apply(number, layer_members(reader, number, deadline))
    return tree
