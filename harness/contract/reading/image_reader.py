"""Opened images: their manifest, configuration and verified blobs.

A folder of the transport `oci:` is read in place. skopeo's proxy reads all other places.
"""

from __future__ import annotations

import hashlib
import tarfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import IO, Any

from harness.contract.inspection import ImageLayer
from harness.contract.reading.access import Access
from harness.images.container import image_proxy
from harness.images.container.image_proxy import ProxiedImage
from harness.images.container.oci_folder import OciFolder, chosen
from harness.images.container.skopeo import Source, inspect_manifest
from harness.images.layers.blob_stream import Descriptor
from harness.images.layers.layer_stream import verified_members
from harness.images.oci.manifest import (
    Config,
    Manifest,
    parse_config,
    parse_list,
    parse_manifest,
)
from harness.images.reference import Transport, parse
from harness.model.clock import Deadline
from harness.model.errors import InputError

_MAX_CONFIG_BYTES = 16 << 20

Fetch = Callable[[Descriptor], IO[bytes]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageReader:
    """One opened image for one architecture; its blobs are read one at a time.

    `layers` are from the bottom up, `manifest` and `config` the image's JSON. `list_digest` is that
    of the list that it was chosen from, empty without a list. Docker's manifests are shown as OCI.
    """

    subject: str
    digest: str
    list_digest: str
    architecture: str
    labels: Mapping[str, str]
    layers: tuple[ImageLayer, ...]
    manifest: Mapping[str, Any]
    config: Mapping[str, Any]
    _blobs: Mapping[str, Descriptor] = field(repr=False)
    _fetch: Fetch = field(repr=False)

    def blob(self, digest: str) -> IO[bytes]:
        """Return the blob of the manifest with `digest` as a stream, packed as it was pushed.

        The caller closes it, at any time. Its end is reached only if digest and size are those of
        the manifest: else the last read raises InputError.

        Raises:
            InputError: it cannot be read, or the manifest does not name it.
            DeadlineError: the time of `open_image` is over.
        """
        if digest not in self._blobs:
            problem = f"its manifest names no blob {digest}"
            raise InputError(self.subject, problem, "Check the digest.")
        return self._fetch(self._blobs[digest])


def layer_members(
    reader: ImageReader, number: int, deadline: Deadline
) -> Iterator[tuple[tarfile.TarInfo, tarfile.TarFile]]:
    """Yield the members of a layer; the last one is followed by a check of digest and size.

    A file's content can be read until the next member. Whoever stops before the end closes it.

    Raises:
        InputError: it is damaged, or not what the manifest names.
        DeadlineError: the time is over.
    """
    name = f"{reader.subject}, layer {number + 1} of {len(reader.layers)}"
    yield from verified_members(reader.blob(reader.layers[number].digest), name, deadline)


@contextmanager
def open_image(subject: str, access: Access, deadline: Deadline) -> Iterator[ImageReader]:
    """Open the image at a reference such as `docker://…` or `oci:…` while the block runs.

    Raises:
        InputError: it cannot be read, is not an image, or not for the architecture.
        DeadlineError: the time is over.
    """
    source = access.source(parse(subject))
    if source.reference.transport is Transport.OCI:
        folder = OciFolder(source, deadline)
        listed, digest, text = folder.manifest()
        yield _reader(source, (listed, digest), text, folder.blob, folder.small)
        return
    with image_proxy.running(source, deadline) as proxy:
        image = proxy.open(source)
        named, text = image.manifest()
        digest = _sha256(text)
        listed = ""
        if digest == named:
            listed = _list_of(source, digest)
        else:  # it is a list, or was converted
            listed, digest = _identified(source, named, digest, deadline)
            if digest != named and source.reference.transport is Transport.DOCKER:
                image = proxy.open(_pinned(source, digest))
                _require_same(source, text, image.manifest()[1])
        is_converted = digest != _sha256(text)
        read_config = partial(_config_of, image, source, is_converted=is_converted)
        yield _reader(source, (listed, digest), text, image.blob, read_config)


def _list_of(source: Source, digest: str) -> str:
    """Return the digest that a reference names, empty if it is that of the image, or a tag."""
    pinned = source.reference.rest.rpartition("@")[2]
    return pinned if pinned.startswith("sha256:") and pinned != digest else ""


def _identified(source: Source, named: str, found: str, deadline: Deadline) -> tuple[str, str]:
    """Return the digests of the list, empty without one, and of the image.

    `named` is what the reference names, `found` that of the manifest as the proxy gave it.
    """
    raw = inspect_manifest(source, deadline).encode()
    images = parse_list(raw, str(source.reference))
    if images is None and _sha256(raw) != named:
        problem = "it was pushed again while it was read"
        raise InputError(str(source.reference), problem, "Name it by digest.")
    if images is None:
        return "", named
    members = {one.descriptor.digest for one in images}
    member = next((one for one in (found, named) if one in members), None)
    return _sha256(raw), member or chosen(images, source).digest


def _pinned(source: Source, digest: str) -> Source:
    return replace(source, reference=source.reference.at_digest(digest))


def _require_same(source: Source, text: bytes, other: bytes) -> None:
    if text != other:
        problem = f"its list has several images for {source.arch}"
        raise InputError(str(source.reference), problem, "Name one by its digest.")


def _config_of(
    image: ProxiedImage, source: Source, descriptor: Descriptor, *, is_converted: bool
) -> bytes:
    subject = str(source.reference)
    if not is_converted:
        with image.blob(descriptor) as blob:
            return _small(blob, subject)
    text = image.converted_config()
    if _sha256(text) != descriptor.digest:
        problem = "its configuration is not the one of its manifest"
        raise InputError(subject, problem, "Push the image with a current tool.")
    return text


def _reader(
    source: Source,
    digests: tuple[str, str],
    text: bytes,
    fetch: Fetch,
    read_config: Callable[[Descriptor], bytes],
) -> ImageReader:
    subject = str(source.reference)
    manifest = parse_manifest(text, subject)
    config = parse_config(read_config(manifest.config), subject, len(manifest.layers))
    source.require_architecture(config.architecture)
    listed, digest = digests
    return ImageReader(
        subject=subject, digest=digest, list_digest=listed, architecture=config.architecture,
        labels=config.labels, layers=_layers(manifest, config),
        manifest=manifest.value, config=config.value,
        _blobs={one.digest: one for one in manifest.layers}, _fetch=fetch,
    )  # fmt: skip


def _small(blob: IO[bytes], subject: str) -> bytes:
    text = blob.read(_MAX_CONFIG_BYTES + 1)
    if len(text) > _MAX_CONFIG_BYTES:
        problem = f"a configuration of more than {_MAX_CONFIG_BYTES >> 20} MiB"
        raise InputError(subject, problem, "Check the image.")
    blob.read(1)  # the end, where the digest is checked
    return text


def _layers(manifest: Manifest, config: Config) -> tuple[ImageLayer, ...]:
    parts = zip(manifest.layers, config.diff_ids, config.created_by, strict=True)
    return tuple(
        ImageLayer(
            digest=blob.digest, diff_id=diff_id, size_bytes=blob.size_bytes,
            created_by=command, media_type=blob.media_type,
        )
        for blob, diff_id, command in parts
    )  # fmt: skip


def _sha256(text: bytes) -> str:
    return f"sha256:{hashlib.sha256(text).hexdigest()}"
