"""Which paths exist in a squashed image, with links followed; the answer is cached by digest."""

from __future__ import annotations

import hashlib
import json
import posixpath
from collections import deque
from collections.abc import Collection
from pathlib import Path

from harness.contract.inspection import Inspection
from harness.contract.reading.access import Access
from harness.contract.reading.image_reader import open_image
from harness.contract.reading.inspect import squashed
from harness.contract.reading.tree import EntryType, Tree
from harness.model.clock import Deadline

_FORM = 1
_MAX_LINKS = 40  # as Linux follows


def existing_paths(
    image: Inspection, paths: Collection[str], access: Access, deadline: Deadline
) -> frozenset[str]:
    """Return those of `paths` that exist in an image.

    Without an answer in the cache, all of its layers are read.

    Raises:
        InputError: a layer cannot be read.
        DeadlineError: the time is over.
    """

    def look() -> list[str]:
        with open_image(image.subject, access, deadline) as reader:
            tree = squashed(reader, deadline)
        return [path for path in sorted(paths) if exists(tree, path)]

    if access.cache is None:
        return frozenset(look())
    asked = hashlib.sha256("\0".join(sorted(paths)).encode()).hexdigest()[:16]
    key = f"{image.digest.removeprefix('sha256:')}-paths-{_FORM}-{asked}"
    kept = access.cache.get_or_make(key, lambda path: _write(path, look()), deadline)
    return frozenset(json.loads(kept.read_text(encoding="utf-8")))


def exists(tree: Tree, path: str) -> bool:
    """Return whether a path exists; a link that leads nowhere does not."""
    return followed(tree, path) is not None


def followed(tree: Tree, path: str) -> str | None:
    """Return a path with all links followed, None if it does not exist."""
    here, parts, links = "/", deque(path.strip("/").split("/")), 0
    while parts:
        here = posixpath.normpath(posixpath.join(here, parts.popleft()))
        entry = tree.get(here)
        if entry is not None and entry.type is EntryType.SYMLINK:
            links += 1
            if links > _MAX_LINKS:
                return None
            here = "/" if entry.target.startswith("/") else posixpath.dirname(here)
            parts.extendleft(reversed(entry.target.split("/")))
        elif entry is None and not parts:
            return None
    return here


def _write(target: Path, found: list[str]) -> None:
    target.write_text(json.dumps(found), encoding="utf-8")
