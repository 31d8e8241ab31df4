"""The stand-in images themselves: each function writes one, and returns its reference."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from harness.images.oci.writing import go_arch
from standin_images import rpmdb
from standin_images.layers import Entry, file, folder, packed, squashed
from standin_images.layouts import Image, write_oci, write_v2s2
from standin_images.recipe import (
    BOOLEANS,
    HERE,
    STAND_IN,
    Recipe,
    base_layers,
    driver_toolkit_layers,
    extensions_layers,
    labels_layer,
    meta_layer,
    node_layer,
)

Layers = Sequence[Iterable[Entry]]
_REGISTRY = "registry.stand-in.example/release"


@dataclass(frozen=True, slots=True, kw_only=True)
class StandIns:
    """References of the images of one stream."""

    base: str
    node: str
    extensions: str
    driver_toolkit: str

    @property
    def options(self) -> list[str]:
        """The options of pytest that name them."""
        return [
            f"--node-image={self.node}", f"--base-image={self.base}",
            f"--extensions={self.extensions}", f"--driver-toolkit={self.driver_toolkit}",
        ]  # fmt: skip


def write_all(place: Path, recipe: Recipe | None = None) -> StandIns:
    """Write base, node, extensions and driver toolkit of one stream below `place`."""
    recipe = recipe or Recipe.usual()
    return StandIns(
        base=write_base(place / "base-stand-in", recipe),
        node=write_node(place / "node-stand-in", recipe),
        extensions=write_extensions(place / "extensions-stand-in", recipe),
        driver_toolkit=write_driver_toolkit(place / "driver-toolkit-stand-in", recipe),
    )


def write_base(place: Path, recipe: Recipe, *, keeps_objects: bool = True) -> str:
    layers = base_layers(recipe, keeps_objects=keeps_objects)
    return write_oci(image_of(layers, recipe.base_labels, recipe.arch), place)


def node_layers(recipe: Recipe, *, keeps_objects: bool = True) -> list[list[Entry]]:
    """Return the layers of a node image as openshift/os builds it today."""
    base = base_layers(recipe, keeps_objects=keeps_objects)
    return [*base, node_layer(recipe), labels_layer(recipe), meta_layer(recipe)]


def write_node(
    place: Path, recipe: Recipe, layers: Layers | None = None, *, is_v2s2: bool = False
) -> str:
    """Write a node image, by default of the usual layers."""
    image = image_of(layers or node_layers(recipe), recipe.node_labels, recipe.arch)
    if is_v2s2:
        return write_v2s2(image, place)
    named = {"ostree.components": '["bash"]', "org.opencontainers.image.base.digest": "sha256:0"}
    return write_oci(replace(image, annotations=named), place)


def misplaced_layers(recipe: Recipe) -> Layers:
    """Return the layers of openshift/os#1919: meta.json is not the last."""
    *below, labels, meta = node_layers(recipe)
    return [*below, meta, labels]


def stale_layers(recipe: Recipe) -> Layers:
    """Return layers whose meta.json lists the packages of the base."""
    return [*node_layers(recipe)[:-1], meta_layer(recipe, recipe.base_packages)]


def rewritten_layers(recipe: Recipe) -> Layers:
    """Return layers with one more after the metadata, as a rewritten Containerfile makes it."""
    return [*node_layers(recipe), [folder("root"), file("root/buildinfo", "stand-in\n")]]


def legacy_entries(recipe: Recipe) -> dict[str, Entry]:
    """Return what a legacy image has, by path: the layered one's, but for what rules allow."""
    left_out = ("usr/share/openshift", "usr/share/buildinfo", "usr/lib/python3/__pycache__",
                "usr/lib/tmpfiles.d/openshift.conf", BOOLEANS)  # fmt: skip
    whole = {one.path: one for one in squashed(node_layers(recipe))}
    kept = {path: one for path, one in whole.items() if not path.startswith(left_out)}
    others = (
        file("usr/lib/os-release", recipe.os_release('OPENSHIFT_VERSION="4.20"')),
        file("etc/motd", "Legacy stand-in\n"), folder("var/lib"), file("var/lib/left", "left\n"),
        file("etc/passwd-", "root:x:0:0\n"), file("etc/group-", "root:x:0:\n"),
        file(rpmdb.PLACE, rpmdb.database(recipe.node_packages, "legacy", recipe.files_each)),
    )  # fmt: skip
    return kept | {one.path: one for one in others}


def write_twin(place: Path, recipe: Recipe, entries: Mapping[str, Entry] | None = None) -> str:
    """Write a legacy image of one layer, by default the twin of the layered one."""
    whole = legacy_entries(recipe) if entries is None else entries
    layer = [whole[path] for path in sorted(whole)]
    return write_oci(image_of([layer], recipe.base_labels, recipe.arch), place)


def write_extensions(place: Path, recipe: Recipe, labels: Mapping[str, str] | None = None) -> str:
    named = {"io.openshift.os.extensions": "true", "io.openshift.os.streamclass": recipe.stream}
    image = image_of(
        extensions_layers(recipe), STAND_IN | dict(named if labels is None else labels),
        recipe.arch,
    )  # fmt: skip
    return write_oci(image, place)


def write_driver_toolkit(place: Path, recipe: Recipe) -> str:
    labels = {**STAND_IN, "io.openshift.os.streamclass": recipe.stream}
    return write_oci(image_of(driver_toolkit_layers(recipe), labels, recipe.arch), place)


def write_release(
    place: Path, version: str, streams: Mapping[str, Recipe], specs: Mapping[str, str] | None = None
) -> str:
    """Write a release image; `streams` has the recipe of each stream by the end of its tags.

    That is empty for the first stream, and `-10` for `rhel-coreos-10`. `specs` has the pull spec of
    each tag; without it they lead nowhere.
    """
    tags = [tag for end, recipe in streams.items() for tag in _tags(end, recipe, specs)]
    listed = {"kind": "ImageStream", "spec": {"tags": tags}}
    layer = [folder("release-manifests"),
             file("release-manifests/image-references", json.dumps(listed))]  # fmt: skip
    labels = {**STAND_IN, "io.openshift.release": version}
    arch = next(iter(streams.values())).arch
    return write_oci(image_of([[folder("etc")], layer], labels, arch), place)


def _tags(end: str, recipe: Recipe, specs: Mapping[str, str] | None) -> list[dict[str, object]]:
    shown = ("io.openshift.build.versions", "io.openshift.build.version-display-names",
             "io.openshift.os.streamclass")  # fmt: skip
    annotations = {key: recipe.node_labels[key] for key in shown}
    named = {
        f"rhel-coreos{end}": annotations, f"rhel-coreos{end}-extensions": {},
        f"driver-toolkit{end}": {},
    }  # fmt: skip
    nowhere = {
        tag: f"{_REGISTRY}@sha256:{number:064x}" for number, tag in enumerate(named, len(end))
    }
    return [
        {"name": tag, "annotations": found,
         "from": {"kind": "DockerImage", "name": (specs or nowhere)[tag]}}
        for tag, found in named.items()
    ]  # fmt: skip


def image_of(layers: Layers, labels: Mapping[str, str], arch: str = HERE) -> Image:
    """Return an image for an architecture as in `uname -m`."""
    return Image(layers=[packed(one) for one in layers], labels=labels, arch=go_arch(arch))
