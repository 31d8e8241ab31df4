"""Finds the image that a reference `oci:FOLDER[:TAG]` names, and reads it in place.

Source: containers-transports(5), `oci:`.
"""

from __future__ import annotations

from pathlib import Path
from typing import IO

from harness.images.container.skopeo import Source
from harness.images.layers.blob_stream import Descriptor
from harness.images.oci.layout import Layout
from harness.images.oci.manifest import Listed, parse_list
from harness.model.clock import Deadline
from harness.model.errors import InputError

_COPY_INTO_IT = "Copy an image into it with `skopeo copy IMAGE oci:FOLDER:TAG`."
_MAX_LISTS = 3  # in each other


class OciFolder:
    """The layout that a reference `oci:FOLDER[:TAG]` names."""

    def __init__(self, source: Source, deadline: Deadline) -> None:
        self._source = source
        self._subject = str(source.reference)
        self._deadline = deadline
        folder, _, self._tag = source.reference.rest.partition(":")
        self._layout = Layout(folder=Path(folder), subject=self._subject, follows_links=True)

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
        return self._layout.json(descriptor, self._deadline)

    def blob(self, descriptor: Descriptor) -> IO[bytes]:
        """Return a blob as a stream, verified at its end; the caller closes it.

        Raises:
            InputError: it is missing.
        """
        return self._layout.blob(descriptor, self._deadline)

    def _named(self) -> Descriptor:
        images = self._layout.listed()
        if not images:
            raise InputError(self._subject, "the layout has no image", _COPY_INTO_IT)
        named = [one for one in images if self._tag in ("", one.tag)]
        if not named:
            tags = ", ".join(sorted(one.tag for one in images if one.tag))
            remedy = f"Use one of: {tags}." if tags else "Remove the tag: no image there has one."
            raise InputError(self._subject, f"no tag {self._tag!r}", remedy)
        if len(named) > 1 and not self._tag:
            problem = f"{len(named)} images in this layout"
            raise InputError(self._subject, problem, "Name one as oci:FOLDER:TAG.")
        return named[0].descriptor


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
        raise source.without_architecture(f"no image for {source.arch}, only for {offered}")
    return found[0].descriptor
