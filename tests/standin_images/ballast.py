"""A node image of a real one's size that boots: the stand-in, with ballast between its layers.

It has the layers of a real one (51), and 1 GB of them is to be pulled. What makes it a node is the
stand-in's: the base layer, which its bootimage has already, and the node layer. The others are
files that nothing reads, below `/usr/share/stand-in-ballast`. Labels say so.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

from harness.folders import cache_dir
from harness.images.acquire.cache import Cache
from harness.images.oci.writing import Descriptor
from harness.model.clock import Deadline
from harness.standin import build
from standin_images.large import Shape, sized_file
from standin_images.layers import Entry, folder
from standin_images.layouts import write_manifest
from standin_images.streamed import Written, write_layers

CACHE_BYTES = 8 << 30
LABEL = "io.node-image.stand-in.ballast"
_LAYERS = 49  # 51 with the stand-in's two
_SHAPE = Shape(files=57_000, mean_bytes=32 << 10, files_each=0)
_FOLDER = "usr/share/stand-in-ballast"
_IN_FOLDER = 60
_SOURCES = ("ballast", "large", "layers", "layouts", "streamed")
_LIMIT_S = 1800.0


def get_or_write(stack: ExitStack) -> tuple[str, Path]:
    """Return the reference of the image, and the bootimage that has its base layer.

    They are not removed from the cache before `stack` closes.
    """
    built = build.ensure(Deadline.after(build.LIMIT_S), print)
    kept = stack.enter_context(Cache(cache_dir() / "bench-images", CACHE_BYTES))
    return with_ballast(built.folder / "node", kept), built.bootimage


def with_ballast(node: Path, kept: Cache, shape: Shape = _SHAPE) -> str:
    """Return the reference of the layout `node` with ballast, written if `kept` lacks it."""
    sources = b"".join(Path(__file__).with_name(f"{name}.py").read_bytes() for name in _SOURCES)
    index = (node / "index.json").read_bytes()
    key = hashlib.sha256(index + repr(shape).encode() + sources).hexdigest()

    def make(content: Path) -> None:
        target = content.parent / "node"
        shutil.rmtree(target, ignore_errors=True)  # left by a killed run
        content.write_text(_write(target, node, shape))

    return kept.get_or_make(key, make, Deadline.after(_LIMIT_S)).read_text()


def _write(target: Path, node: Path, shape: Shape) -> str:
    manifest, config = _documents(node)
    ballast = write_layers(target, [partial(_layer, each, shape) for each in range(_LAYERS)])
    base, own = (
        Written(blob=blob, diff_id=diff_id)
        for blob, diff_id in zip(manifest["layers"], config["rootfs"]["diff_ids"], strict=True)
    )
    for each in (base, own):
        shutil.copyfile(_blob(node, each.blob), _blob(target, each.blob))
    layers = [base, *ballast, own]
    config["rootfs"]["diff_ids"] = [each.diff_id for each in layers]
    below, above = config["history"]
    config["history"] = [below, *[{"created_by": "ballast"}] * len(ballast), above]
    config["config"]["Labels"][LABEL] = "true"
    return write_manifest(target, json.dumps(config).encode(), [each.blob for each in layers], {})


def _layer(number: int, shape: Shape) -> Iterator[Entry]:
    own = f"{_FOLDER}/{number}"
    yield folder(_FOLDER)
    yield folder(own)
    for each in range(shape.files // _LAYERS):
        if each % _IN_FOLDER == 0:
            yield folder(f"{own}/{each // _IN_FOLDER}")
        yield sized_file(f"{own}/{each // _IN_FOLDER}/file-{each}", shape)


def _documents(layout: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the manifest and the configuration of the layout's only image."""
    (entry,) = json.loads((layout / "index.json").read_text())["manifests"]
    manifest = json.loads(_blob(layout, entry).read_text())
    return manifest, json.loads(_blob(layout, manifest["config"]).read_text())


def _blob(layout: Path, blob: Descriptor) -> Path:
    return layout / "blobs" / "sha256" / blob["digest"].removeprefix("sha256:")
