"""Reads an image in place from the folder of an OCI layout; blobs are verified.

Source: OCI image specification 1.0, image-layout.md; containers-transports(5), `oci:`.
"""

from __future__ import annotations

import io
import os
import stat
from pathlib import Path
from typing import IO

from harness.images.container.blob_stream import Descriptor, verified
from harness.images.container.manifest import Listed, parse_list
from harness.images.container.skopeo import Source
from harness.model.clock import Deadline
from harness.model.errors import InputError

_MAX_JSON_BYTES = 4 << 20
_MAX_LISTS = 3  # in each other


class OciFolder:
    """The layout that a reference `oci:FOLDER[:TAG]` names."""

    def __init__(self, source: Source, deadline: Deadline) -> None:
        self._source = source
        self._subject = str(source.reference)
        self._deadline = deadline
        folder, _, self._tag = source.reference.rest.partition(":")
        self._folder = Path(folder)

    def manifest(self) -> tuple[str, str, bytes]:
        """Return the digest of the list, empty without one, and of the image, and its manifest.

        Raises:
            InputError: there is none for the architecture, or not only one.
        """
        entry, listed = self._named(), ""
        for _ in range(_MAX_LISTS):
            text = self.small(entry)
            images = parse_list(text, self._subject)
            if images is None:
                return listed, entry.digest, text
            listed = listed or entry.digest
            entry = chosen(images, self._source)
        raise InputError(self._subject, "lists of images in each other", "Name an image.")

    def small(self, descriptor: Descriptor) -> bytes:
        """Return a blob of JSON.

        Raises:
            InputError: it is missing, damaged or implausibly large.
        """
        if descriptor.size_bytes > _MAX_JSON_BYTES:
            problem = f"a blob of JSON with {descriptor.size_bytes} bytes"
            raise InputError(self._subject, problem, "Check the image.")
        with self.blob(descriptor) as file:
            return file.read()

    def blob(self, descriptor: Descriptor) -> IO[bytes]:
        """Return a blob as a stream, verified at its end; the caller closes it.

        Raises:
            InputError: it is missing.
        """
        path = self._folder / "blobs" / "sha256" / descriptor.digest.removeprefix("sha256:")
        return verified(descriptor, self._subject, lambda: self._open(path), self._deadline)

    def _named(self) -> Descriptor:
        with io.BufferedReader(self._open(self._folder / "index.json")) as file:
            text = file.read(_MAX_JSON_BYTES)
        images = parse_list(text, self._subject)
        if images is None:
            raise InputError(self._subject, "index.json is not a list", "Check the path.")
        named = [one for one in images if self._tag in ("", one.tag)]
        if not named:
            tags = ", ".join(sorted(one.tag for one in images if one.tag)) or "none"
            raise InputError(self._subject, f"no tag {self._tag!r}", f"Use one of: {tags}.")
        if len(named) > 1 and not self._tag:
            problem = f"{len(named)} images in this layout"
            raise InputError(self._subject, problem, "Name one as oci:FOLDER:TAG.")
        return named[0].descriptor

    def _open(self, path: Path) -> io.RawIOBase:
        try:
            # Not blocking: else a FIFO would wait for its other end.
            file = io.FileIO(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC))
        except OSError as exc:
            problem = f"{path.name} cannot be read: {exc.strerror}"
            raise InputError(self._subject, problem, "Check the path, or copy it again.") from exc
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            file.close()
            raise InputError(self._subject, f"{path.name} is not a file", "Check the path.")
        return file


def chosen(images: tuple[Listed, ...], source: Source) -> Descriptor:
    """Return the image of a list for the architecture of `source`.

    Raises:
        InputError: there is none.
    """
    fits = [one for one in images if one.os in ("linux", "")]
    found = [one for one in fits if one.architecture == source.go_arch]
    if not found and len(fits) == 1 and not fits[0].architecture:
        return fits[0].descriptor  # a list without platforms, as layouts nest them
    if not found:
        offered = ", ".join(sorted({one.architecture or "unknown" for one in fits})) or "nothing"
        problem = f"no image for {source.arch}, only for {offered}"
        raise InputError(str(source.reference), problem, f"Use an image for {source.arch}.")
    return found[0].descriptor
