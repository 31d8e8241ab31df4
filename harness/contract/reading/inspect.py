"""Read images from any place that containers-transports(5) names, and bootimages.

`inspect` answers from labels, metadata layers or the rpm database. `open_image` gives verified
blobs, and `squashed` all files of an image.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import msgspec

from harness.contract.inspection import Depth, Inspection
from harness.contract.reading.access import Access
from harness.contract.reading.agreement import verify
from harness.contract.reading.image_reader import ImageReader, layer_members, open_image
from harness.contract.reading.kept_contents import KeptContents
from harness.contract.reading.tree import Tree
from harness.folders import expanded
from harness.images import reference
from harness.images.acquire.url import STREAM, is_url
from harness.images.reference import Transport
from harness.model.clock import Deadline
from harness.model.errors import InputError

__all__ = ["ImageReader", "inspect", "open_image", "squashed", "verify"]

_FORM = 1  # of the cached answers
_PINNED = re.compile(r".+@sha256:([0-9a-f]{64})")


def inspect(subject: str, depth: Depth, access: Access, deadline: Deadline) -> Inspection:
    """Return what the image at a reference, or the bootimage at a path or URL, says.

    The answer comes from the cache of `access` if it has one by the image's digest.

    Raises:
        InputError: it cannot be read.
        DeadlineError: the time is over.
    """
    if is_bootimage(subject):
        return _bootimage(subject, access, deadline)
    found = reference.parse(subject)
    pinned = _PINNED.fullmatch(found.rest) if found.transport is Transport.DOCKER else None
    if pinned is None:
        with open_image(subject, access, deadline) as reader:
            key = _key(reader.digest, depth, access)
            known = _cached(key, lambda: _answer(reader, depth, deadline), access, deadline)
        return replace(known, subject=subject)

    def ask() -> Inspection:
        with open_image(subject, access, deadline) as reader:
            return _answer(reader, depth, deadline)

    # Nothing needs to be asked of the registry: a digest names the same image for ever.
    known = _cached(_key(pinned[1], depth, access), ask, access, deadline)
    return replace(known, subject=subject)


def is_bootimage(subject: str) -> bool:
    """Return whether `subject` names a disk image, by a path or URL, and not a container image."""
    if is_url(subject) or subject.startswith(STREAM):
        return True
    transport, colon, _ = subject.partition(":")
    if colon and transport in set(Transport):
        return False
    try:
        return expanded(subject).is_file()
    except OSError:  # too long a name, or a folder that may not be searched
        return False


def squashed(reader: ImageReader, deadline: Deadline, kept: KeptContents | None = None) -> Tree:
    """Return all files of an image, each layer read once; `kept` keeps some contents.

    Raises:
        InputError: a layer cannot be read.
        DeadlineError: the time is over.
    """
    tree = Tree(kept)
    for number in range(len(reader.layers)):
        tree.apply(number, layer_members(reader, number, deadline))
    return tree


def _bootimage(subject: str, access: Access, deadline: Deadline) -> Inspection:
    from harness.contract.reading.bootimage import inspect_bootimage
    from harness.images.acquire.cache import Cache
    from harness.images.bootimage import acquire

    def ask() -> Inspection:
        with Cache.of_user(report=access.report) as downloads:
            image = acquire(subject, None, downloads, deadline)
            key = f"{image.sha256}-bootimage-{_FORM}"
            return _cached(key, lambda: inspect_bootimage(image, deadline), access, deadline)

    path = expanded(subject)
    if not path.is_file():
        return ask()
    # To sum a disk image takes seconds; this says whether the file is the same.
    stat = path.stat()
    seen = (stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)
    key = hashlib.sha256(repr(seen).encode()).hexdigest()
    known = _cached(f"{key}-file-{_FORM}", ask, access, deadline)
    return replace(known, subject=subject)


def _answer(reader: ImageReader, depth: Depth, deadline: Deadline) -> Inspection:
    from harness.contract.reading.quick import quick_inspection

    quick = quick_inspection(reader, deadline)
    if depth is Depth.QUICK:
        return quick
    from harness.contract.reading.deep import deep_inspection

    return deep_inspection(quick, reader, deadline)


def _key(digest: str, depth: Depth, access: Access) -> str:
    return f"{digest.removeprefix('sha256:')}-{access.arch}-{depth}-{_FORM}"


def _cached(
    key: str, answer: Callable[[], Inspection], access: Access, deadline: Deadline
) -> Inspection:
    if access.cache is None:
        return answer()
    made: list[Inspection] = []

    def make(path: Path) -> None:
        made.append(answer())
        path.write_bytes(msgspec.json.encode(made[0]))

    kept = access.cache.get_or_make(key, make, deadline)
    if made:
        return made[0]
    try:
        return msgspec.json.decode(kept.read_bytes(), type=Inspection)
    except msgspec.MsgspecError as exc:
        problem = f"not an answer about an image: {exc}"
        raise InputError(str(kept), problem, "Remove the file.") from exc
