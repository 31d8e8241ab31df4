"""Seconds and bytes of the contract's commands: `tox -e bench`. They are printed, never judged.

The image has a real one's shape, scaled down: 700 packages, 51 layers, some 20 000 files. Seconds
drift between hosts; compare the ratios, to one pass of gunzip over the same layers in the same run.
"""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from time import perf_counter

import pytest
from standin_images import images
from standin_images.layers import Entry, file, folder
from standin_images.recipe import Recipe, nevra

from harness import process
from harness.contract.inspection import Depth
from harness.contract.proof.equivalence_rules import load
from harness.contract.proof.proving import prove
from harness.contract.reading.access import Access, answers_of_user
from harness.contract.reading.inspect import inspect
from harness.folders import cache_dir
from harness.model.clock import Deadline

LAYERS, FILES_EACH, FILE_BYTES = 48, 420, 8 << 10
PACKAGES = 700
LIMIT_S = 1800.0
_MEASURED = """
from harness.cli import main
try:
    main()
finally:
    print(open("/proc/self/status").read())
"""


def test_contract_is_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = cache_dir() / "bench-contract.json"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    recipe = big_recipe()
    layered = images.write_node(tmp_path / "layered", recipe, list(big_layers(recipe)))
    other = images.write_node(tmp_path / "other", recipe, list(big_layers(recipe)))
    seconds, limit = {}, Deadline.after(LIMIT_S)
    seconds["gunzip"] = timed(lambda: gunzip(tmp_path))
    with answers_of_user() as cache:
        access = Access(arch=nevra("x").arch, cache=cache)
        for depth in (Depth.QUICK, Depth.DEEP):
            ask = asking(layered, depth, access, limit)
            seconds |= {f"{depth}, cold": timed(ask), f"{depth}, cached": timed(ask)}
        quick = inspect(layered, Depth.QUICK, access, limit)
        proved = prove(layered, other, load(), access, limit)
        seconds["equivalent"] = timed(lambda: prove(layered, other, load(), access, limit))
    figures = {
        "seconds": {name: round(spent, 3) for name, spent in seconds.items()},
        "of_a_gunzip_pass": {n: round(s / seconds["gunzip"], 3) for n, s in seconds.items()},
        "read_share_of_quick": round(quick.read_bytes / quick.size_bytes, 5),
        "image_mib": quick.size_bytes >> 20,
        "paths": proved.paths,
        "equivalent_peak_mib": peak_mib(layered, other),
    }
    kept.write_text(json.dumps(figures, indent=2))
    print(json.dumps(figures, indent=2), kept, sep="\n")

    assert proved.is_equivalent
    assert all(spent > 0 for spent in seconds.values())


def big_recipe() -> Recipe:
    usual = Recipe.usual()
    more = frozenset(nevra(f"package-{number}") for number in range(PACKAGES))
    return replace(
        usual, base_packages=usual.base_packages | more, node_packages=usual.node_packages | more
    )


def big_layers(recipe: Recipe) -> Iterator[list[Entry]]:
    """Yield chunks of half random and half repeated bytes, and the usual layers."""
    chance = random.Random(1)  # noqa: S311 - the same image in each run
    for number in range(LAYERS - 1):
        place = f"usr/share/big-{number}"
        half = FILE_BYTES // 2
        yield [
            folder(place),
            *(
                file(f"{place}/{name}", chance.randbytes(half) + bytes(half))
                for name in range(FILES_EACH)
            ),
        ]
    yield from images.node_layers(recipe)[-4:]


def gunzip(place: Path) -> None:
    """Unpack the layers of all images once, as the fastest reader has to."""
    blobs = sorted(place.glob("*/blobs/sha256/*"))
    packed = [blob for blob in blobs if blob.read_bytes()[:2] == b"\x1f\x8b"]
    process.run(["gzip", "--test", *packed], Deadline.after(LIMIT_S))


def peak_mib(*subjects: str) -> int:
    """Return the peak memory of `node-image equivalent` in a process of its own."""
    words = [sys.executable, "-c", _MEASURED, "equivalent", *subjects]
    done = process.run(words, Deadline.after(LIMIT_S), check=False)
    return int(done.stdout.rpartition("VmHWM:")[2].split()[0]) >> 10


def asking(subject: str, depth: Depth, access: Access, limit: Deadline) -> Callable[[], object]:
    return lambda: inspect(subject, depth, access, limit)


def timed(act: Callable[[], object]) -> float:
    begun = perf_counter()
    act()
    return perf_counter() - begun
