"""Contents that a pass over all files of an image keeps, so that no layer is read again for them.

They are found by their sum. Which path has a content is known only when all layers are read: an
object of ostree comes before the hard link to it. So a database is known by how it begins.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from harness.model.errors import InputError

_READ_BYTES = 1 << 20
_MAX_KEPT_BYTES = 2 << 30
# Source: sqlite.org/fileformat.html, and its section on the write-ahead log, which has two magics.
_DATABASE = (b"SQLite format 3\0", b"\x37\x7f\x06\x82", b"\x37\x7f\x06\x83")


@dataclass(slots=True, kw_only=True)
class KeptContents:
    """Databases, and the files whose paths are `wanted` and that have up to `limit_bytes`.

    What is more than 2 GiB in all is not kept; nobody may rely on a content being there.
    """

    folder: Path
    wanted: Callable[[str], bool]
    limit_bytes: int
    _kept_bytes: int = 0

    def digest_of(self, path: str, size_bytes: int, content: IO[bytes]) -> str:
        """Return the sha256 of a content, in hex; keep it if it may be asked for.

        Raises:
            InputError: the folder is full.
        """
        block = content.read(_READ_BYTES)
        is_small = size_bytes <= self.limit_bytes and self.wanted(path)
        is_kept = is_small or block.startswith(_DATABASE)
        if not is_kept or self._kept_bytes + size_bytes > _MAX_KEPT_BYTES:
            return digest(block, content)
        self._kept_bytes += size_bytes
        return self._keep(block, content)

    def get(self, digest: str) -> Path | None:
        """Return the file that has a content, None if it was not kept."""
        path = self.folder / digest
        return path if digest and path.is_file() else None

    def _keep(self, block: bytes, content: IO[bytes]) -> str:
        new, found = self.folder / "new", hashlib.sha256()
        try:
            with new.open("wb") as out:
                while block:
                    found.update(block)
                    out.write(block)
                    block = content.read(_READ_BYTES)
            new.replace(self.folder / found.hexdigest())
        except OSError as exc:
            problem = f"a file of the image cannot be written: {exc.strerror}"
            raise InputError(str(self.folder), problem, "Free disk space there.") from exc
        return found.hexdigest()


def digest(block: bytes, content: IO[bytes]) -> str:
    """Return the sha256, in hex, of a content whose first block was read."""
    found = hashlib.sha256()
    while block:
        found.update(block)
        block = content.read(_READ_BYTES)
    return found.hexdigest()
