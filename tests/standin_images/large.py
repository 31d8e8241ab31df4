"""Stand-ins with the shape of a real node image, for figures: written once, kept in the cache.

Sizes of files are spread as in an operating system: most have a few KiB, few have many MiB. Their
contents are words and random bytes, so that a layer packs to some 40 % of its size, as real ones
do. Everything follows from the path, so the twin of one layer has the same files.
"""

from __future__ import annotations

import hashlib
import math
import random
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from zlib import crc32

from harness.images.acquire.cache import Cache
from harness.images.oci.writing import go_arch
from harness.model.clock import Deadline
from standin_images.images import legacy_entries, node_layers
from standin_images.layers import Entry, file, folder
from standin_images.recipe import (
    Recipe,
    chunk,
    nevra,
)
from standin_images.streamed import MakeLayer, write_streamed

_CHUNKS = 47  # 51 layers with those of the base's clean-up, of the node and of the metadata
_NODE_SHARE = 6  # the node layer has as many files as so many chunks
_IN_FOLDER = 60
_POOL_BYTES = 8 << 20
_SPREAD = 1.6
_MAX_FILE_BYTES = 64 << 20
_WORDS = 4000
_SOURCES = ("large", "layers", "layouts", "recipe", "rpmdb", "streamed")
_LIMIT_S = 1800.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """How large an image is; `files_each` is how many files each package lists."""

    files: int
    mean_bytes: int
    files_each: int
    packages: int = 700


SHAPES = {
    "small": Shape(files=9_900, mean_bytes=14 << 10, files_each=0),
    "real": Shape(files=60_000, mean_bytes=40 << 10, files_each=86),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A node image of 51 layers, and a legacy one of a single layer with the same contents."""

    layered: str
    legacy: str


def write_pair(shape: Shape, kept: Cache) -> Pair:
    """Return references to both images, which are written if `kept` does not have them."""
    sources = b"".join(Path(__file__).with_name(f"{name}.py").read_bytes() for name in _SOURCES)
    key = hashlib.sha256(repr(shape).encode() + sources).hexdigest()

    def make(content: Path) -> None:
        recipe = recipe_of(shape)
        place = content.parent
        for name, layers, labels in (
            ("layered", layered(recipe, shape), recipe.node_labels),
            ("legacy", [partial(legacy, recipe, shape)], recipe.base_labels),
        ):
            shutil.rmtree(place / name, ignore_errors=True)  # left by a killed run
            write_streamed(place / name, layers, labels, go_arch(recipe.arch))
        content.write_text("layered legacy")

    place = kept.get_or_make(key, make, Deadline.after(_LIMIT_S)).parent
    return Pair(layered=f"oci:{place / 'layered'}", legacy=f"oci:{place / 'legacy'}")


def recipe_of(shape: Shape) -> Recipe:
    usual = Recipe.usual()
    count = shape.packages - len(usual.node_packages)
    more = frozenset(nevra(f"package-{number}") for number in range(count))
    return replace(
        usual, base_packages=usual.base_packages | more,
        node_packages=usual.node_packages | more, files_each=shape.files_each, chunks=_CHUNKS,
    )  # fmt: skip


def layered(recipe: Recipe, shape: Shape) -> list[MakeLayer]:
    """Return the layers of the node image: the usual ones, with the shape's files in them."""
    shares = _paths(shape)
    return [
        partial(_layer, entries, shares.get(number, ()), shape, is_chunk=number < _CHUNKS)
        for number, entries in enumerate(node_layers(recipe))
    ]


def legacy(recipe: Recipe, shape: Shape) -> Iterator[Entry]:
    """Yield the entries of the only layer of the twin."""
    usual = legacy_entries(recipe)
    ours = {path for paths in _paths(shape).values() for path in paths}
    folders = {path.rpartition("/")[0] for path in ours}
    for path in sorted({*usual, *ours, *folders}):
        if path in usual:
            yield usual[path]
        else:
            yield sized_file(path, shape) if path in ours else folder(path)


def _layer(
    usual: list[Entry], paths: tuple[str, ...], shape: Shape, *, is_chunk: bool
) -> Iterator[Entry]:
    yield from usual
    files = (sized_file(path, shape) for path in paths)
    if is_chunk:
        yield from chunk(files)
        return
    yield from map(folder, sorted({path.rpartition("/")[0] for path in paths}))
    yield from files


def _paths(shape: Shape) -> dict[int, tuple[str, ...]]:
    """Return the paths of the files by the number of their layer."""
    node = _CHUNKS + 1
    each = shape.files // (_CHUNKS + _NODE_SHARE)
    counts = dict.fromkeys(range(_CHUNKS), each) | {node: each * _NODE_SHARE}
    return {
        layer: tuple(
            f"usr/lib64/large-{layer}-{number // _IN_FOLDER}/file-{number}.so"
            for number in range(count)
        )
        for layer, count in counts.items()
    }


def sized_file(path: str, shape: Shape) -> Entry:
    """Return a file whose size and contents follow from its path."""
    chance = random.Random(crc32(path.encode()))  # noqa: S311 - the same image each time
    middle = math.log(shape.mean_bytes) - _SPREAD**2 / 2
    size = min(int(chance.lognormvariate(middle, _SPREAD)), _MAX_FILE_BYTES)
    pool, start = _pool(), chance.randrange(_POOL_BYTES)
    content = pool[start : start + size]
    while len(content) < size:
        content += pool[: size - len(content)]
    return file(path, content, 0o755)


@cache
def _pool() -> bytes:
    """Return words and random bytes in turn, of which files have pieces."""
    chance = random.Random(1)  # noqa: S311 - the same image each time
    words = [chance.randbytes(chance.randint(1, 5)).hex() for _ in range(_WORDS)]
    weights = [1 / rank for rank in range(1, _WORDS + 1)]
    parts: list[bytes] = []
    while sum(map(len, parts)) < _POOL_BYTES:
        parts.append(" ".join(chance.choices(words, weights, k=1500)).encode())
        parts.append(chance.randbytes(1400))
    return b"".join(parts)[:_POOL_BYTES]
