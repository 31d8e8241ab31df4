"""An image in an OCI layout by its digest: its manifest, its configuration and its layers.

What is kept of an image is kept under that digest. `oci_folder` finds images by tag.
"""

from __future__ import annotations

import re
import stat
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from harness.images.layers.blob_stream import Descriptor
from harness.images.layers.layer_stream import verified_members
from harness.images.oci.layout import Layout
from harness.images.oci.manifest import parse_config, parse_manifest
from harness.images.reference import Reference, Transport
from harness.model.clock import Deadline
from harness.model.errors import InputError

# What skopeo reads of a layout and of a folder `dir:`.
_READ_BY_SKOPEO = {
    Transport.OCI: re.compile(r"oci-layout|index\.json|blobs(/[^/]+){0,2}"),
    Transport.DIR: re.compile(r"version|(.+\.)?manifest\.json|[0-9a-f]{64}|signature-\d+"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class LayoutImage:
    """One image of a layout; `layers` are from the bottom up."""

    layout: Layout
    deadline: Deadline
    layers: tuple[Descriptor, ...]

    @property
    def subject(self) -> str:
        """What errors call the image."""
        return self.layout.subject

    def members(self, number: int) -> Iterator[tuple[tarfile.TarInfo, tarfile.TarFile]]:
        """Yield a layer's members; a file's content can be read until the next one.

        Only the end of the iteration says that the layer has its digest.

        Raises:
            InputError: the layer cannot be read, or has another digest.
            DeadlineError: the deadline has passed.
        """
        subject = f"{self.subject}, layer {number + 1} of {len(self.layers)}"
        packed = self.layout.blob(self.layers[number], self.deadline, subject)
        yield from verified_members(packed, subject, self.deadline)


def image_in(folder: Path, digest: str | None, subject: str, deadline: Deadline) -> LayoutImage:
    """Return the image of a layout whose manifest has `digest`, its only image for None.

    Errors call the image `subject`.

    Raises:
        InputError: its manifest or configuration is missing, malformed, or has another digest.
        DeadlineError: the deadline has passed.
    """
    layout = Layout(folder=folder, subject=subject)
    described = layout.only() if digest is None else _in_place(layout, digest)
    manifest = parse_manifest(layout.json(described, deadline), subject)
    parse_config(layout.json(manifest.config, deadline), subject, len(manifest.layers))
    return LayoutImage(layout=layout, deadline=deadline, layers=manifest.layers)


def require_listed(reference: Reference, digest: str) -> None:
    """Require that a layout lists the manifest of `digest`; references elsewhere pass.

    Raises:
        InputError: its index.json names another digest than the manifest has.
    """
    if reference.transport is Transport.OCI:
        Layout(folder=_folder(reference), subject=str(reference)).require_listed(digest)


def require_files(reference: Reference) -> None:
    """Require that a local folder of an image has only regular files; other references pass.

    skopeo follows links, and waits for the other end of a FIFO.

    Raises:
        InputError: it has a link, a FIFO, a socket or a device, or cannot be looked through.
    """
    pattern = _READ_BY_SKOPEO.get(reference.transport)
    if pattern is None:
        return
    try:
        _require_plain(reference, pattern)
    except OSError as exc:
        problem = f"cannot be looked through: {exc.strerror}"
        raise InputError(str(reference), problem, "Name the folder of an image.") from exc


def _require_plain(reference: Reference, pattern: re.Pattern[str]) -> None:
    folder = _folder(reference)
    for path in (folder, *folder.glob("*"), *folder.glob("blobs/*"), *folder.glob("blobs/*/*")):
        name = path.relative_to(folder).as_posix()
        if pattern.fullmatch(name) and not _is_plain(path):
            problem = f"{name} is neither a regular file nor a folder"
            raise InputError(str(reference), problem, "Copy the image again.")


def _is_plain(path: Path) -> bool:
    mode = path.lstat().st_mode
    return stat.S_ISREG(mode) or stat.S_ISDIR(mode)


def _folder(reference: Reference) -> Path:
    is_layout = reference.transport is Transport.OCI
    return Path(reference.rest.partition(":")[0] if is_layout else reference.rest)


def _in_place(layout: Layout, digest: str) -> Descriptor:
    """Return the descriptor of a manifest of which only the digest is known."""
    return Descriptor(media_type="", digest=digest, size_bytes=layout.size_bytes(digest))
