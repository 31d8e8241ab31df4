"""Write small files atomically: no reader sees a part of one, not even after a kill.

Large files, such as downloads and images, have a lock and a fixed temporary name instead, so that
the next run continues what a killed one left.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def write(path: Path, content: bytes) -> None:
    """Put `content` at `path` in one step.

    Raises:
        OSError: the folder is missing, full or not writable.
    """
    with replacing(path) as fresh:
        fresh.write_bytes(content)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Provide a free name beside `path`; the file made there replaces `path` at the end.

    After an exception, `path` is unchanged.

    Raises:
        OSError: `path` cannot be replaced.
    """
    # Not tempfile: only the owner can read its files. CI collects artifacts as another user.
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        yield fresh
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)
