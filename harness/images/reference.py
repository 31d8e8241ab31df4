"""References to container images in the notation of containers-transports(5).

Pure text, except that the error about another text says whether it is a file.

Bare names such as `registry.example/x/y` are refused: a wrong guess of the transport costs a boot.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from harness.folders import expanded
from harness.model.errors import InputError

_LOOPBACK_HOST = re.compile(r"(localhost|127(\.\d+){3}|\[::1\])(:\d+)?")
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f]")

_LIKE_PLACE = re.compile(r"\.{0,2}/|~")
# A path, a name that can be of a file alone, or one that ends as files of images do.
_LIKE_PATH = re.compile(
    r"\.{0,2}/|~|[^/:@]+\Z"
    r"|[^:@]+\.(?:qcow2|raw|img|iso|vmdk|vhdx?|ova|tar|gz|xz|zst|bz2|json|ociarchive)\Z",
    re.IGNORECASE,
)


class Transport(StrEnum):
    """The kind of place of an image. Source: containers-transports(5)."""

    DOCKER = "docker"
    OCI = "oci"
    OCI_ARCHIVE = "oci-archive"
    CONTAINERS_STORAGE = "containers-storage"
    DIR = "dir"
    DOCKER_ARCHIVE = "docker-archive"

    @property
    def prefix(self) -> str:
        """The beginning of a reference of this transport."""
        return "docker://" if self is Transport.DOCKER else f"{self}:"

    @property
    def keeps_digests(self) -> bool:
        """Whether it keeps blobs as they were pushed; the others keep unpacked layers."""
        return self not in (Transport.CONTAINERS_STORAGE, Transport.DOCKER_ARCHIVE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """One image: its transport and what follows the transport's prefix."""

    transport: Transport
    rest: str

    def __str__(self) -> str:
        return f"{self.transport.prefix}{self.rest}"

    @property
    def is_remote(self) -> bool:
        """Whether a guest can pull it; it cannot from a registry on the host's loopback."""
        host = self.rest.partition("/")[0]
        return self.transport is Transport.DOCKER and not _LOOPBACK_HOST.fullmatch(host)

    def at_digest(self, digest: str) -> Reference:
        """Return the registry reference that names `digest` (`sha256:…`) instead of a tag."""
        name = self.rest.partition("@")[0]
        folder, slash, last = name.rpartition("/")
        repository = f"{folder}{slash}{last.partition(':')[0]}"
        return Reference(transport=self.transport, rest=f"{repository}@{digest}")


def parse(text: str) -> Reference:
    """Return the reference in `text`.

    Raises:
        InputError: unknown or missing transport, nothing after it, or unprintable characters.
    """
    if not text.strip() or _UNPRINTABLE.search(text):
        raise InputError(repr(text), "not an image reference", _remedy("registry/name:tag"))
    name, colon, rest = text.partition(":")
    if not colon or name not in set(Transport):
        raise _without_transport(text)
    transport = Transport(name)
    if transport is Transport.DOCKER:
        rest = _registry_name(text, rest)
    if not rest:
        problem = f"no image after {transport.prefix}"
        raise InputError(text, problem, f"Write {transport.prefix}NAME.")
    return Reference(transport=transport, rest=rest)


def _registry_name(text: str, rest: str) -> str:
    if not rest.startswith("//"):
        problem = "no two slashes after docker:"
        raise InputError(text, problem, f"Write docker://{rest.lstrip('/')} instead.")
    if re.match(r"//[^/]*@[^/]*/", rest):
        remedy = "Remove them, and name a file with credentials by --authfile."
        raise InputError(text, "user and password before the registry", remedy)
    if " " in rest:
        raise InputError(text, "a space in the name of the image", "Remove the space.")
    return rest.removeprefix("//")


def _without_transport(text: str) -> InputError:
    if (is_folder := _is_folder(text)) is not None:
        if is_folder:
            remedy = f"Write oci:{text} for a layout."
            return InputError(text, "a folder, not an image reference", remedy)
        remedy = f"Write oci-archive:{text} or docker-archive:{text} for a tar file of an image."
        return InputError(text, "a file, not an image reference", remedy)
    if _LIKE_PATH.match(text):
        remedy = f"Correct the path, or write docker://{text} for an image in a registry."
        if _LIKE_PLACE.match(text):
            remedy = f"Correct the path; write oci:{text} or oci-archive:{text} for an image there."
        return InputError(text, "no such file, and no transport of an image", remedy)
    return InputError(text, "unknown transport", _remedy(text))


def _is_folder(text: str) -> bool | None:
    """Return whether the path is a folder, False for a file, None if nothing is there."""
    try:
        path = expanded(text)
        return path.is_dir() if path.exists() else None
    except OSError:  # too long a name
        return None


def _remedy(text: str) -> str:
    bare = text.partition("://")[2] or text
    known = ", ".join(transport.prefix for transport in Transport)
    return f"Write docker://{bare} for an image in a registry; known transports: {known}."
