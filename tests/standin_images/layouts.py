"""Writes images: an OCI layout, or a folder with what a Docker v2s2 push leaves in a registry."""

from __future__ import annotations

import gzip
import hashlib
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from harness.images.oci.writing import MANIFEST, Descriptor, go_arch, write_blob, write_index

TAG = "stand-in"
LIST = "application/vnd.oci.image.index.v1+json"
_OCI = "application/vnd.oci.image"
_DOCKER = "application/vnd.docker"
GZIP_LAYER = f"{_OCI}.layer.v1.tar+gzip"


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """An image to write: uncompressed layers, labels, and annotations of the manifest."""

    layers: Sequence[bytes]
    labels: Mapping[str, str]
    arch: str
    created_by: Sequence[str] = ()
    annotations: Mapping[str, str] = field(default_factory=dict)

    @property
    def config(self) -> bytes:
        diff_ids = [_digest(one) for one in self.layers]
        return config_of(diff_ids, self.labels, self.arch, self.created_by)


def config_of(
    diff_ids: Sequence[str], labels: Mapping[str, str], arch: str, created_by: Sequence[str] = ()
) -> bytes:
    made_by = created_by or ["stand-in"] * len(diff_ids)
    return _json(
        {
            "architecture": arch, "os": "linux", "config": {"Labels": dict(labels)},
            "rootfs": {"type": "layers", "diff_ids": list(diff_ids)},
            "history": [{"created_by": text} for text in made_by],
        }
    )  # fmt: skip


def write_oci(image: Image, folder: Path) -> str:
    """Write an OCI layout of one image, and return its reference."""
    layers = [write_blob(folder, GZIP_LAYER, _packed(one)) for one in image.layers]
    return write_manifest(folder, image.config, layers, image.annotations)


def write_manifest(
    folder: Path, config: bytes, layers: Sequence[Descriptor], annotations: Mapping[str, str]
) -> str:
    """Complete the layout of an image whose layers are written, and return its reference."""
    manifest = {
        "schemaVersion": 2, "mediaType": MANIFEST,
        "config": write_blob(folder, f"{_OCI}.config.v1+json", config), "layers": layers,
        "annotations": dict(annotations),
    }  # fmt: skip
    write_index(folder, TAG, write_blob(folder, MANIFEST, _json(manifest)))
    return f"oci:{folder}:{TAG}"


def write_list(references: Mapping[str, str], folder: Path) -> str:
    """Write a list of images by their architectures (`uname -m`), which are in other layouts."""
    entries = []
    for arch, reference in references.items():
        other = Path(reference.removeprefix("oci:").partition(":")[0])
        shutil.copytree(other / "blobs", folder / "blobs", dirs_exist_ok=True)
        (entry,) = json.loads((other / "index.json").read_text())["manifests"]
        platform = {"os": "linux", "architecture": go_arch(arch)}
        entries.append({**entry, "platform": platform})
    text = _json({"schemaVersion": 2, "mediaType": LIST, "manifests": entries})
    write_index(folder, TAG, write_blob(folder, LIST, text))
    return f"oci:{folder}:{TAG}"


def write_v2s2(image: Image, folder: Path) -> str:
    """Write the image as Docker schema 2, which has no annotations, and return its reference."""
    folder.mkdir(parents=True)
    layers = [_put(folder, f"{_DOCKER}.image.rootfs.diff.tar.gzip", _packed(one))
              for one in image.layers]  # fmt: skip
    manifest = {
        "schemaVersion": 2, "mediaType": f"{_DOCKER}.distribution.manifest.v2+json",
        "config": _put(folder, f"{_DOCKER}.container.image.v1+json", image.config),
        "layers": layers,
    }  # fmt: skip
    (folder / "manifest.json").write_bytes(_json(manifest))
    (folder / "version").write_text("Directory Transport Version: 1.1\n")
    return f"dir:{folder}"


def _put(folder: Path, media_type: str, blob: bytes) -> dict[str, object]:
    digest = _digest(blob)
    (folder / digest.removeprefix("sha256:")).write_bytes(blob)
    return {"mediaType": media_type, "digest": digest, "size": len(blob)}


@lru_cache(64)
def _packed(layer: bytes) -> bytes:
    return gzip.compress(layer, compresslevel=1, mtime=0)


def _digest(blob: bytes) -> str:
    return f"sha256:{hashlib.sha256(blob).hexdigest()}"


def _json(value: Mapping[str, object]) -> bytes:
    return json.dumps(value, sort_keys=True).encode()
