"""References to container images in the notation of containers-transports(5). Pure text.

Bare names such as `registry.example/x/y` are refused: a wrong guess of the transport costs a boot.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from harness.model.errors import InputError

_LOOPBACK_HOST = re.compile(r"(localhost|127(\.\d+){3}|\[::1\])(:\d+)?")
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f]")


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
        raise InputError(text, "unknown transport", _remedy(text))
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
    if " " in rest:
        raise InputError(text, "a space in the name of the image", "Remove the space.")
    return rest.removeprefix("//")


def _remedy(text: str) -> str:
    if text.startswith(("/", "./", "../", "~")):
        return f"Write oci:{text} for a layout folder or oci-archive:{text} for a tar file."
    bare = text.partition("://")[2] or text
    known = ", ".join(transport.prefix for transport in Transport)
    return f"Write docker://{bare} for an image in a registry; known transports: {known}."
