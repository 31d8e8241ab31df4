"""Writes images of any size as OCI layouts: layers go to disk while their entries are made."""

from __future__ import annotations

import hashlib
import tarfile
import zlib
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO, cast

from harness.images.oci.writing import Descriptor
from standin_images.layers import Entry, member
from standin_images.layouts import GZIP_LAYER, config_of, write_manifest

_GZIP_WINDOW = 31  # zlib.h, deflateInit2: the largest window, with header and checksum of gzip
_WRITERS = 2
MakeLayer = Callable[[], Iterable[Entry]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """A layer in a layout, and the digest of the archive in it."""

    blob: Descriptor
    diff_id: str


@dataclass(slots=True)
class _Packer:
    """What tarfile writes to: it sums, packs and sums again."""

    out: BinaryIO
    size_bytes: int = 0
    _gzip: Any = field(default_factory=lambda: zlib.compressobj(1, zlib.DEFLATED, _GZIP_WINDOW))
    _plain: Any = field(default_factory=hashlib.sha256)
    _packed: Any = field(default_factory=hashlib.sha256)

    def write(self, block: bytes) -> int:
        self._plain.update(block)
        self._put(self._gzip.compress(block))
        return len(block)

    def finish(self) -> tuple[str, str]:
        """Return the digests of the plain and of the packed layer."""
        self._put(self._gzip.flush())
        return f"sha256:{self._plain.hexdigest()}", f"sha256:{self._packed.hexdigest()}"

    def _put(self, packed: bytes) -> None:
        self._packed.update(packed)
        self.size_bytes += len(packed)
        self.out.write(packed)


def write_streamed(
    folder: Path, layers: Iterable[MakeLayer], labels: Mapping[str, str], arch: str
) -> str:
    """Write an image, two layers at a time, and return its reference.

    Each of `layers` is called once, for entries whose contents exist one at a time.
    """
    written = write_layers(folder, layers)
    config = config_of([one.diff_id for one in written], labels, arch)
    return write_manifest(folder, config, [one.blob for one in written], {})


def write_layers(folder: Path, layers: Iterable[MakeLayer]) -> list[Written]:
    """Write the layers of a new layout, two at a time."""
    store = folder / "blobs" / "sha256"
    store.mkdir(parents=True)
    with ThreadPoolExecutor(_WRITERS) as pool:  # zlib and sums let other threads run
        return list(pool.map(partial(_write_layer, store), layers))


def _write_layer(store: Path, entries: MakeLayer) -> Written:
    place = store / f"new-{id(entries)}"
    with place.open("wb") as out:
        packer = _Packer(out)
        with tarfile.open(
            fileobj=cast("BinaryIO", packer), mode="w|", format=tarfile.PAX_FORMAT
        ) as tar:
            for entry in entries():
                tar.addfile(member(entry), BytesIO(entry.content))
                cast("Any", tar).members = []  # else they pile up
        diff_id, digest = packer.finish()
    place.rename(store / digest.removeprefix("sha256:"))
    blob = Descriptor(mediaType=GZIP_LAYER, digest=digest, size=packer.size_bytes)
    return Written(blob=blob, diff_id=diff_id)
