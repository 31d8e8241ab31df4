"""The folder of an OCI layout, read in place: its list of images, and its blobs.

A layout may come from anywhere, so nothing in it is believed: a blob is a regular file whose
content has the digest that names it. Which image of the list is meant, `layout_image` and
`oci_folder` say. Source: OCI image specification 1.0, image-layout.md and descriptor.md.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from harness import regular_file
from harness.images.layers.blob_stream import Descriptor, verified
from harness.images.oci.manifest import Listed, parse_list
from harness.model.clock import Deadline
from harness.model.errors import InputError

_MAX_JSON_BYTES = 4 << 20  # as skopeo's own limit for manifests
_COPY_AGAIN = "Copy the image again with `skopeo copy IMAGE oci:FOLDER:TAG`."
_CHECK = "Check the path, or copy the image again with `skopeo copy IMAGE oci:FOLDER:TAG`."


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """The layout at `folder`; errors call it `subject`.

    With `follows_links` its files may be links: build tools save space with them.
    """

    folder: Path
    subject: str
    follows_links: bool = False

    def listed(self) -> tuple[Listed, ...]:
        """Return the images that index.json lists.

        Raises:
            InputError: it cannot be read, or is not a list of images.
        """
        index = self._opened(self.folder / "index.json", self.subject)
        with io.BufferedReader(index) as file:
            text = file.read(_MAX_JSON_BYTES)
        images = parse_list(text, self.subject)
        if images is None:
            raise InputError(self.subject, "index.json is not a list of images", _COPY_AGAIN)
        return images

    def only(self) -> Descriptor:
        """Return the only image that index.json lists.

        Raises:
            InputError: as `listed`, or it lists none or several.
        """
        listed = self.listed()
        if len(listed) != 1:
            problem = f"{len(listed)} images in its layout, not one"
            raise InputError(self.subject, problem, _COPY_AGAIN)
        return listed[0].descriptor

    def require_listed(self, digest: str) -> None:
        """Require that index.json names the manifest with `digest`.

        Raises:
            InputError: as `listed`, or it does not.
        """
        if digest not in {one.descriptor.digest for one in self.listed()}:
            problem = f"index.json does not name the manifest {digest}"
            raise InputError(self.subject, problem, _COPY_AGAIN)

    def size_bytes(self, digest: str) -> int:
        """Return the size of a blob.

        Raises:
            InputError: it is missing, or not a regular file.
        """
        with self._opened(self._path(digest), self.subject) as file:
            return file.seek(0, io.SEEK_END)

    def json(self, blob: Descriptor, deadline: Deadline) -> bytes:
        """Return a blob that is a manifest, a list of them, or a configuration.

        Raises:
            InputError: it is missing, implausibly large, or has another digest.
            DeadlineError: the deadline has passed.
        """
        if blob.size_bytes > _MAX_JSON_BYTES:
            problem = f"an implausible manifest or configuration of {blob.size_bytes} bytes"
            raise InputError(self.subject, problem, _COPY_AGAIN)
        with self.blob(blob, deadline) as file:
            return file.read()

    def blob(self, blob: Descriptor, deadline: Deadline, subject: str = "") -> IO[bytes]:
        """Return a blob as a stream, verified at its end; the caller closes it.

        Errors call it `subject`, if that is given.

        Raises:
            InputError: it is missing, or not a regular file.
        """
        path, name = self._path(blob.digest), subject or self.subject
        return verified(blob, name, lambda: self._opened(path, name), deadline)

    def _path(self, digest: str) -> Path:
        return self.folder / "blobs" / "sha256" / Path(digest.removeprefix("sha256:")).name

    def _opened(self, path: Path, subject: str) -> io.FileIO:
        try:
            return regular_file.open_raw(path, follows_links=self.follows_links)
        except OSError as exc:
            problem = f"{path.name} cannot be read: {exc.strerror}"
            raise InputError(subject, problem, _CHECK) from exc
