"""An image in an OCI layout: its manifest, its configuration and its layers, verified by digest.

A layout may come from anywhere and is read in place, so nothing in it is believed: a blob is a
regular file whose content has the digest that names it. What is kept of an image is kept under
that digest. Source: OCI image specification 1.0, image-layout.md and descriptor.md.
"""

from __future__ import annotations

import io
import os
import re
import stat
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from harness.images.container.blob_stream import Descriptor, verified
from harness.images.container.layer_stream import members
from harness.images.container.manifest import parse_config, parse_list, parse_manifest
from harness.images.container.reference import Reference, Transport
from harness.model.clock import Deadline
from harness.model.errors import InputError

_MAX_JSON_BYTES = 4 << 20  # as skopeo's own limit for manifests
_READ_BYTES = 1 << 20
_COPY_AGAIN = "Copy the image again with `skopeo copy IMAGE oci:FOLDER:TAG`."
# What skopeo reads of a layout and of a folder `dir:`.
_READ_BY_SKOPEO = {
    Transport.OCI: re.compile(r"oci-layout|index\.json|blobs(/[^/]+){0,2}"),
    Transport.DIR: re.compile(r"version|(.+\.)?manifest\.json|[0-9a-f]{64}|signature-\d+"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class LayoutImage:
    """One image of the layout at `folder`; `layers` are from the bottom up."""

    folder: Path
    subject: str
    deadline: Deadline
    layers: tuple[Descriptor, ...]

    def members(self, number: int) -> Iterator[tuple[tarfile.TarInfo, tarfile.TarFile]]:
        """Yield a layer's members; a file's content can be read until the next one.

        Only the end of the iteration says that the layer has its digest.

        Raises:
            InputError: the layer cannot be read, or has another digest.
            DeadlineError: the deadline has passed.
        """
        subject = f"{self.subject}, layer {number + 1} of {len(self.layers)}"
        with _blob(self.folder, self.layers[number], subject, self.deadline) as packed:
            yield from members(packed, subject, self.deadline)
            while packed.read(_READ_BYTES):
                pass


def image_in(folder: Path, digest: str | None, subject: str, deadline: Deadline) -> LayoutImage:
    """Return the image of a layout whose manifest has `digest`, its only image for None.

    Errors call the image `subject`.

    Raises:
        InputError: its manifest or configuration is missing, malformed, or has another digest.
        DeadlineError: the deadline has passed.
    """
    described = _only(folder, subject) if digest is None else _in_place(folder, digest, subject)
    manifest = parse_manifest(_json(folder, described, subject, deadline), subject)
    config = _json(folder, manifest.config, subject, deadline)
    parse_config(config, subject, len(manifest.layers))
    return LayoutImage(folder=folder, subject=subject, deadline=deadline, layers=manifest.layers)


def require_listed(reference: Reference, digest: str) -> None:
    """Require that a layout lists the manifest of `digest`; references elsewhere pass.

    Raises:
        InputError: its index.json names another digest than the manifest has.
    """
    if reference.transport is not Transport.OCI:
        return
    subject = str(reference)
    listed = {one.digest for one in _listed(_folder(reference), subject)}
    if digest not in listed:
        raise InputError(subject, f"index.json does not name the manifest {digest}", _COPY_AGAIN)


def require_files(reference: Reference) -> None:
    """Require that a local folder of an image has only regular files; other references pass.

    skopeo follows links, and waits for the other end of a FIFO.

    Raises:
        InputError: it has a link, a FIFO, a socket or a device.
    """
    pattern = _READ_BY_SKOPEO.get(reference.transport)
    if pattern is None:
        return
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


def _only(folder: Path, subject: str) -> Descriptor:
    listed = _listed(folder, subject)
    if len(listed) != 1:
        raise InputError(subject, f"{len(listed)} images in its layout, not one", _COPY_AGAIN)
    return listed[0]


def _listed(folder: Path, subject: str) -> tuple[Descriptor, ...]:
    with _opened(folder / "index.json", subject) as file:
        text = file.read(_MAX_JSON_BYTES)
    images = parse_list(text, subject)
    if images is None:
        raise InputError(subject, "index.json is not a list of images", _COPY_AGAIN)
    return tuple(one.descriptor for one in images)


def _in_place(folder: Path, digest: str, subject: str) -> Descriptor:
    """Return the descriptor of a manifest of which only the digest is known."""
    with _opened(_path(folder, digest), subject) as file:
        size_bytes = os.fstat(file.fileno()).st_size
    return Descriptor(media_type="", digest=digest, size_bytes=size_bytes)


def _json(folder: Path, blob: Descriptor, subject: str, deadline: Deadline) -> bytes:
    if blob.size_bytes > _MAX_JSON_BYTES:
        problem = f"an implausible manifest or configuration of {blob.size_bytes} bytes"
        raise InputError(subject, problem, _COPY_AGAIN)
    with _blob(folder, blob, subject, deadline) as file:
        return file.read()


def _blob(folder: Path, blob: Descriptor, subject: str, deadline: Deadline) -> IO[bytes]:
    path = _path(folder, blob.digest)
    return verified(blob, subject, lambda: _opened(path, subject), deadline)


def _path(folder: Path, digest: str) -> Path:
    return folder / "blobs" / "sha256" / Path(digest.removeprefix("sha256:")).name


def _opened(path: Path, subject: str) -> io.FileIO:
    """Open a regular file, without waiting for a FIFO or following a link."""
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        file = io.FileIO(os.open(path, flags))
    except OSError as exc:
        problem = f"{path.name} cannot be read: {exc.strerror}"
        raise InputError(subject, problem, _COPY_AGAIN) from exc
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise InputError(subject, f"{path.name} is not a regular file", _COPY_AGAIN)
    return file
