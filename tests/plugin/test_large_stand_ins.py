"""The images of the figures: what is measured on them is that they are equivalent."""

from __future__ import annotations

from pathlib import Path

from standin_images.large import Shape, write_pair
from standin_images.recipe import HERE

from harness.contract.inspection import Depth
from harness.contract.proof.equivalence_rules import load
from harness.contract.proof.proving import prove
from harness.contract.reading.access import Access
from harness.contract.reading.inspect import inspect
from harness.images.acquire.cache import Cache
from harness.model.clock import Deadline

SHAPE = Shape(files=200, mean_bytes=2 << 10, files_each=3, packages=50)


def test_pair_has_the_layers_and_the_packages_of_its_shape_and_is_equivalent(
    tmp_path: Path,
) -> None:
    limit = Deadline.after(120)
    with Cache(tmp_path / "kept") as kept:
        pair = write_pair(SHAPE, kept)
        again = write_pair(SHAPE, kept)
        found = inspect(pair.layered, Depth.DEEP, Access(arch=HERE), limit)
        proved = prove(pair.legacy, pair.layered, load(), Access(arch=HERE), limit)

    assert again == pair
    assert len(found.layers) == 51
    assert len(found.packages or ()) == SHAPE.packages
    assert found.problems == ()
    assert (proved.differences, proved.packages, proved.odd) == ((), (), ())
    assert proved.paths > SHAPE.files * 0.9
