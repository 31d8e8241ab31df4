"""The small stand-in images are what skopeo and rpm take for images and databases."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from standin_images import images, rpmdb
from standin_images.layers import file, folder, opaque, squashed, whiteout
from standin_images.recipe import Recipe, nevra

from harness import process
from harness.model.clock import Deadline
from harness.model.packages.nevra import QUERY_FORMAT, Nevra


def inspected(reference: str, *flags: str) -> dict[str, object]:
    words = ["skopeo", "inspect", *flags, reference]
    found: dict[str, object] = json.loads(process.run(words, Deadline.after(60)).stdout)
    return found


def test_rpm_reads_the_database(tmp_path: Path) -> None:
    packages = frozenset({nevra("bash", "5.1.8", "9.el9"), nevra("openssl", epoch=1)})
    (tmp_path / "rpmdb.sqlite").write_bytes(rpmdb.database(packages, "a note"))

    words = ["rpm", f"--dbpath={tmp_path}", "--define=_db_backend sqlite", "--nosignature"]
    words += ["--nodigest", "-qa", "--qf", QUERY_FORMAT]
    out = process.run(words, Deadline.after(60)).stdout

    assert {Nevra.parse(line) for line in out.splitlines()} == packages


def test_skopeo_reads_every_image(tmp_path: Path) -> None:
    recipe = Recipe.usual()
    found = images.write_all(tmp_path, recipe)
    docker = images.write_node(tmp_path / "v2s2-stand-in", recipe, is_v2s2=True)

    counts = {name: len(inspected(name)["Layers"]) for name in (found.base, found.node, docker)}  # type: ignore[arg-type]

    assert counts == {found.base: 41, found.node: 44, docker: 44}
    assert "annotations" in inspected(found.node, "--raw")
    assert "annotations" not in inspected(docker, "--raw")
    for name in (found.extensions, found.driver_toolkit):
        assert inspected(name)["Labels"]


def test_images_can_be_copied_between_formats(tmp_path: Path) -> None:
    node = images.write_node(tmp_path / "node", Recipe.usual(), is_v2s2=True)

    # skopeo checks each digest and size on the way.
    subprocess.run(["skopeo", "copy", "-q", node, f"oci:{tmp_path}/copy"], check=True)

    assert inspected(f"oci:{tmp_path}/copy")["Labels"]


@pytest.mark.parametrize("taken", [whiteout("a/b"), opaque("a/b"), whiteout("a")])
def test_squashing_takes_out_what_a_whiteout_names(taken: object) -> None:
    below = [folder("a"), folder("a/b"), file("a/b/c"), file("a/bc")]

    left = [entry.path for entry in squashed([below, [taken]])]  # type: ignore[list-item]

    assert "a/b/c" not in left
    assert ("a/bc" in left) is (taken != whiteout("a"))
