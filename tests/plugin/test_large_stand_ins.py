"""The images of the figures: what is measured on them is that they are equivalent."""

from __future__ import annotations

from pathlib import Path

from standin_images.ballast import LABEL, with_ballast
from standin_images.large import Shape, write_pair
from standin_images.layers import file, packed
from standin_images.layouts import Image, write_oci
from standin_images.recipe import HERE

from harness.contract.inspection import Depth
from harness.contract.proof.equivalence_rules import load
from harness.contract.proof.proving import prove
from harness.contract.reading.access import Access
from harness.contract.reading.inspect import inspect
from harness.images.acquire.cache import Cache
from harness.images.oci.writing import go_arch
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


def test_ballast_is_between_the_layers_of_a_node_and_labelled(tmp_path: Path) -> None:
    limit, node = Deadline.after(120), tmp_path / "node"
    layers = [packed([file("usr/bin/sh", "base")]), packed([file("usr/bin/oc", "node")])]
    labels = {"ostree.linux": "stand-in"}
    own = write_oci(Image(layers=layers, labels=labels, arch=go_arch(HERE)), node)
    with Cache(tmp_path / "kept") as kept:
        found = with_ballast(node, kept, SHAPE)
        again = with_ballast(node, kept, SHAPE)
        image = inspect(found, Depth.DEEP, Access(arch=HERE), limit)
        before = inspect(own, Depth.DEEP, Access(arch=HERE), limit)

    assert again == found
    assert len(image.layers) == 51
    assert [image.layers[0], image.layers[-1]] == list(before.layers)
    assert image.labels == {**labels, LABEL: "true"}
