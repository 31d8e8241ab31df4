"""Image sets that keep the contract, made by hand from released pairs of OpenShift and RHEL."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import replace

from contract_states import OVS, Pair

from harness.contract.inspection import Depth, ImageLayer, Inspection, Kind
from harness.model.node_state import NodeState
from harness.model.packages.nevra import Nevra
from harness.verdict.contract.image_set import ImageSet, ReleaseTag, Role

TODAY = datetime.date(2026, 11, 27)
KERNEL = "5.14.0-570.99.1.el9_6.x86_64"
STREAM = "io.openshift.os.streamclass"
BASE_LAYERS = tuple(
    ImageLayer(digest=f"sha256:b{number}", diff_id=f"sha256:{number}", size_bytes=1)
    for number in range(3)
)
NODE_LAYERS = (
    *BASE_LAYERS, ImageLayer(digest="sha256:n", diff_id="sha256:node", size_bytes=1),
)  # fmt: skip


def package(name: str, version: str = "1", release: str = "1") -> Nevra:
    return Nevra(name=name, epoch=0, version=version, release=release, arch="x86_64")


def image_set(pair: Pair) -> ImageSet:
    """Return all images of a pair; each check of the contract holds for them."""
    passage, stream = pair.passage, stream_of(pair)
    labels = {**pair.labels, "containers.bootc": "1", STREAM: stream}
    base = _of_state(passage.before, passage.after, pair.base, Role.BASE)
    base = without_packages(base, OVS)
    base = with_packages(base, package(OVS)) if pair.ovs_in_base else base
    node = _of_state(passage.after, passage.after, pair.base, Role.NODE)
    extensions = {"io.openshift.os.extensions": "true", STREAM: stream}
    return ImageSet(
        node=replace(with_packages(node, package("NetworkManager")), layers=NODE_LAYERS,
                     labels=labels),
        others={
            Role.BASE: replace(
                with_packages(base, package("NetworkManager")), layers=BASE_LAYERS,
                labels={"org.opencontainers.image.version": pair.base},
            ),
            Role.BOOTIMAGE: replace(
                _of_state(passage.before, passage.before, pair.bootimage, Role.BOOTIMAGE),
                kind=Kind.BOOTIMAGE,
            ),
            Role.EXTENSIONS: replace(
                _empty(Role.EXTENSIONS), labels=extensions,
                extensions={"kernel-devel": f"0:{KERNEL}", "usbguard": "1.0-1.el9.x86_64"},
            ),
            Role.DRIVER_TOOLKIT: replace(
                _empty(Role.DRIVER_TOOLKIT),
                driver_toolkit={"KERNEL_VERSION": KERNEL, "RHEL_VERSION": rhel_of(pair)},
            ),
        },
        files={Role.NODE: passage.after.existing_paths, Role.BASE: frozenset(),
               Role.BOOTIMAGE: frozenset()},
        release=(
            ReleaseTag(tag="rhel-coreos", spec="a@1", labels=labels),
            ReleaseTag(tag="rhel-coreos-extensions", spec="a@2", labels=extensions),
        ),
        today=TODAY,
    )  # fmt: skip


def stream_of(pair: Pair) -> str:
    return f"{'centos' if pair.is_okd else 'rhel'}-{pair.base.split('.')[0]}"


def rhel_of(pair: Pair) -> str:
    return ".".join(pair.base.split(".")[:2])


def with_packages(image: Inspection, *packages: Nevra) -> Inspection:
    return replace(image, packages=(image.packages or frozenset()) | frozenset(packages))


def without_packages(image: Inspection, *names: str) -> Inspection:
    kept = (each for each in image.packages or () if each.name not in names)
    return replace(image, packages=frozenset(kept))


def with_labels(image: Inspection, **labels: str | None) -> Inspection:
    named: Mapping[str, str | None] = {**image.labels, **labels}
    return replace(image, labels={key: said for key, said in named.items() if said is not None})


def with_other(images: ImageSet, role: Role, image: Inspection | None) -> ImageSet:
    others = {key: other for key, other in images.others.items() if key is not role}
    return replace(images, others=others if image is None else {**others, role: image})


def _of_state(state: NodeState, version_of: NodeState, version: str, role: Role) -> Inspection:
    fields = {**state.os_release, "OSTREE_VERSION": version}
    for key in ("VERSION", "VERSION_ID", "PRETTY_NAME"):
        fields[key] = version_of.os_release[key]
    packages = (each for found in state.packages.values() for each in found)
    return replace(_empty(role), packages=frozenset(packages), os_release=fields, kernel=KERNEL)


def _empty(role: Role) -> Inspection:
    return Inspection(
        subject=f"oci:{role}", digest="sha256:0", architecture="amd64", depth=Depth.DEEP,
        labels={}, layers=(),
    )  # fmt: skip
