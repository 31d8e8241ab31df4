"""Compares two references: images, bootimages, or the node images of releases."""

from __future__ import annotations

from harness.contract.comparing import file_diff
from harness.contract.comparing.diff_document import Diff, document
from harness.contract.comparing.image_diff import ImageDiff, diff
from harness.contract.inspection import Depth
from harness.contract.reading.access import Access
from harness.contract.reading.inspect import inspect, open_image, squashed
from harness.contract.reading.named_images import named_by
from harness.contract.reading.tree import Tree
from harness.model.clock import Deadline
from harness.model.errors import InputError


def compare(
    references: tuple[str, str],
    access: Access,
    deadline: Deadline,
    *,
    depth: Depth = Depth.DEEP,
    stream: str = "",
    has_files: bool = False,
) -> Diff:
    """Return what changed from the first reference to the second.

    `stream` chooses one of releases. With `has_files`, all files are compared as well.

    Raises:
        InputError: one cannot be read, or they cannot be compared.
        DeadlineError: the time is over.
    """
    old, new = (named_by(reference, access, deadline, stream) for reference in references)
    if stream and not (old.is_release or new.is_release):
        raise InputError("--os-stream", "given without a release", "Remove the option.")

    def of_stream(name: str, before: str, after: str) -> ImageDiff:
        was, now = (inspect(each, depth, access, deadline) for each in (before, after))
        files = None
        if has_files:
            trees = (_tree(each, access, deadline) for each in (before, after))
            files = file_diff.compare(*(tree.entries() for tree in trees))
        return diff(was, now, stream=name, files=files)

    return document(old, new, of_stream)


def _tree(subject: str, access: Access, deadline: Deadline) -> Tree:
    with open_image(subject, access, deadline) as reader:
        return squashed(reader, deadline)
