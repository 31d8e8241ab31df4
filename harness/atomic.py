"""Files that appear whole or not at all: a reader or a killed run never meets a part of one.

For small files that are made in one go. What takes minutes, as a download or an image, is made by
its owner under a lock and a fixed name, so that the next run finds what a killed one left.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def write(path: Path, content: bytes) -> None:
    """Put `content` at `path` in one step.

    Raises:
        OSError: the folder is missing, full or not ours.
    """
    with replacing(path) as fresh:
        fresh.write_bytes(content)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a free name beside `path`; what is made there takes the place of `path` at the end.

    If anything is raised, `path` stays as it was.

    Raises:
        OSError: `path` cannot be replaced.
    """
    # Not tempfile: its files are readable by the owner alone. CI collects as somebody else from a
    # folder that it named; the cache's run folders are the user's own.
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        yield fresh
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)
