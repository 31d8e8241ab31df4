"""Writes small container images as OCI layouts, in memory.

Source: OCI image specification 1.0, image-layout.md, manifest.md and config.md.
"""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypedDict

_MEDIA = "application/vnd.oci.image"
MANIFEST = f"{_MEDIA}.manifest.v1+json"
_REF_NAME = "org.opencontainers.image.ref.name"
_GO_ARCH = {"x86_64": "amd64", "aarch64": "arm64"}


class Descriptor(TypedDict):
    """A blob by media type, digest (`sha256:…`) and size in bytes."""

    mediaType: str
    digest: str
    size: int


def go_arch(arch: str) -> str:
    """Return the name in image configurations of the architecture `arch` (`uname -m`)."""
    return _GO_ARCH.get(arch, arch)


def write_image(
    folder: Path, tag: str, arch: str, layers: Sequence[bytes], config: Mapping[str, object]
) -> Descriptor:
    """Write an image of uncompressed tar `layers` as the only one of a layout.

    `config` has Entrypoint, Labels and so on; the same input gives the same bytes.
    """
    whole_config = {
        "created": "1970-01-01T00:00:00Z",
        "architecture": go_arch(arch),
        "os": "linux",
        "config": config,
        "rootfs": {"type": "layers", "diff_ids": [_digest(layer) for layer in layers]},
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": write_blob(folder, f"{_MEDIA}.config.v1+json", _json(whole_config)),
        "layers": [write_blob(folder, f"{_MEDIA}.layer.v1.tar", layer) for layer in layers],
    }
    written = write_blob(folder, MANIFEST, _json(manifest))
    write_index(folder, tag, written)
    return written


def tar_layer(files: Mapping[str, bytes], mode: int = 0o755) -> bytes:
    """Return an uncompressed layer of `files` by path, without the leading slash."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for path, content in files.items():
            entry = tarfile.TarInfo(path)
            entry.size = len(content)
            entry.mode = mode
            tar.addfile(entry, io.BytesIO(content))
    return packed.getvalue()


def write_blob(folder: Path, media_type: str, blob: bytes) -> Descriptor:
    """Store one blob in the layout and return its descriptor."""
    store = folder / "blobs" / "sha256"
    store.mkdir(parents=True, exist_ok=True)
    digest = _digest(blob)
    (store / digest.removeprefix("sha256:")).write_bytes(blob)
    return {"mediaType": media_type, "digest": digest, "size": len(blob)}


def write_index(folder: Path, tag: str, entry: Descriptor) -> None:
    """Make `entry` the layout's only image, under `tag`."""
    named = {**entry, "annotations": {_REF_NAME: tag}}
    (folder / "index.json").write_bytes(_json({"schemaVersion": 2, "manifests": [named]}))
    (folder / "oci-layout").write_bytes(_json({"imageLayoutVersion": "1.0.0"}))


def _digest(blob: bytes) -> str:
    return f"sha256:{hashlib.sha256(blob).hexdigest()}"


def _json(value: Mapping[str, object]) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()
