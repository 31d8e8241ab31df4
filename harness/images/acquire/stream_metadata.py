"""CoreOS stream metadata as an input: a file or a URL, and the disk images that it names.

`stream:FILE#x86_64/qemu/qcow2.gz` is one of its disks. The form of the metadata is in
`harness.model.versions.coreos_stream`.
"""

from __future__ import annotations

import platform
from dataclasses import dataclass
from pathlib import Path

from harness import regular_file
from harness.folders import expanded
from harness.images.acquire.download import fetch_text
from harness.images.acquire.url import STREAM, is_url, shown_image
from harness.model.clock import Deadline
from harness.model.errors import InputError
from harness.model.versions.coreos_stream import (
    STREAM_FILES,
    Artifact,
    Marketplace,
    Stream,
    parse,
    require_stream,
)

_LIMIT_BYTES = 8 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamDisk:
    """A disk image by its place in stream metadata; `metadata` is a path or a URL."""

    metadata: str
    place: str

    @classmethod
    def of(cls, text: str) -> StreamDisk | None:
        """Return the disk that an option names; None for another image."""
        if not text.startswith(STREAM):
            return None
        metadata, _, place = text.removeprefix(STREAM).partition("#")
        return cls(metadata=metadata, place=place)

    def __str__(self) -> str:
        return shown_image(f"{STREAM}{self.metadata}#{self.place}")

    def artifact(self, deadline: Deadline) -> Artifact:
        """Return the disk's URL and sums.

        Raises:
            InputError: the metadata cannot be read, or does not have this disk.
            DeadlineError: the time is over.
        """
        subject = shown_image(self.metadata)
        found = require_stream(load(self.metadata, deadline), subject)
        return found.disk(self.place, subject)


def load(text: str, deadline: Deadline) -> Stream | Marketplace:
    """Return the metadata at a path or URL.

    Raises:
        InputError: it cannot be read, or is not stream metadata.
        DeadlineError: the time is over.
    """
    content = _fetched(text, deadline) if is_url(text) else _read(text)
    if len(content) > _LIMIT_BYTES:
        raise InputError(shown_image(text), f"larger than {_LIMIT_BYTES >> 20} MiB", STREAM_FILES)
    return parse(content, shown_image(text))


def require_disk(path: Path, subject: str) -> None:
    """Return unless the file is stream metadata; errors call it `subject`.

    Raises:
        InputError: it is; names the disk image that it describes.
    """
    found = _stream_in(path)
    if found is None:
        return
    problem = "not a disk image but CoreOS stream metadata (JSON)"
    remedy = "Use metadata with a disk for qemu, or a disk image."
    if places := sorted(found.qemu_disks(), key=_is_foreign):
        remedy = f"Use `--bootimage {STREAM}{subject}#{places[0]}`."
    raise InputError(subject, problem, remedy)


def _is_foreign(place: str) -> bool:
    return not place.startswith(f"{platform.machine()}/")


def _stream_in(path: Path) -> Stream | None:
    with path.open("rb") as file:
        if path.stat().st_size > _LIMIT_BYTES or file.read(1) != b"{":
            return None
    try:
        found = parse(path.read_bytes().decode(errors="replace"), str(path))
    except InputError:
        return None
    return found if isinstance(found, Stream) else None


def _read(text: str) -> str:
    return regular_file.text_or_pipe(
        expanded(text), STREAM_FILES, limit_bytes=_LIMIT_BYTES, errors="replace"
    )


def _fetched(url: str, deadline: Deadline) -> str:
    content = fetch_text(url, deadline, _LIMIT_BYTES + 1)
    if content is None:
        raise InputError(shown_image(url), "the server does not have it", STREAM_FILES)
    return content
