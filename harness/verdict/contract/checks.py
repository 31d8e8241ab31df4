"""Checks the contract between images on what was read of them. Pure.

Each check returns what was seen where the contract is broken, None where it holds. A check that
lacks an image is not made, and one whose image cannot be read raises that error.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from harness.contract.inspection import Inspection
from harness.model.claims import STREAM_CLASS
from harness.verdict.contract import packages, versions
from harness.verdict.contract.image_set import (
    Answer,
    ImageSet,
    NotJudged,
    ReleaseTag,
    Role,
)
from harness.verdict.contract_rows import Contract
from harness.verdict.phrases import listing, said

_METALAYER, _BOOTC = "io.openshift.metalayer", "containers.bootc"
_EXTENSIONS = "io.openshift.os.extensions"
# Of any case. Source: openshift/machine-config-operator pkg/osimagestream/image_data.go
_VALUES = {_BOOTC: ("1", "true"), _EXTENSIONS: ("true",)}


def broken(name: Contract, images: ImageSet) -> Answer:
    """Return what was observed if the contract is broken, None if it holds.

    Raises:
        HarnessError: an image that it is about cannot be read.
    """
    if name in _OF_NODE:
        return _OF_NODE[name](images)
    role, check = _OF_TWO[name]
    other = images.get(role)
    return NotJudged.without(role) if other is None else check(images, other)


def _layers(images: ImageSet, base: Inspection) -> str | None:
    theirs, ours = ([layer.diff_id for layer in each.layers] for each in (base, images.node))
    for number, (expected, found) in enumerate(zip(theirs, ours, strict=False), start=1):
        if expected != found:
            place = f"layer {number} of {len(theirs)} of the base image"
            return f"{place} is {expected}; the node image has {found} there"
    if theirs and len(ours) > len(theirs):
        return None
    return f"layers of the base image: {len(theirs)}; of the node image: {len(ours)}"


def _metadata(images: ImageSet) -> str | None:
    return listing(images.node.problems)


def _metalayer(images: ImageSet) -> Answer:
    ours, base = images.node.labels.get(_METALAYER), images.get(Role.BASE)
    theirs = None if base is None else base.labels.get(_METALAYER)
    if ours != "true" or theirs is not None:
        return f"{_METALAYER} of the node image: {said(ours)}; of the base image: {said(theirs)}"
    return NotJudged.without(Role.BASE) if base is None else None


def _bootc(images: ImageSet) -> str | None:
    labels = images.node.labels
    return None if _is_set(labels, _BOOTC) else f"{_BOOTC}: {said(labels.get(_BOOTC))}"


def _paired(images: ImageSet, extensions: Inspection) -> str | None:
    node = images.node
    roles = tuple(_role(image.labels) for image in (node, extensions))
    ours, theirs = (image.labels.get(STREAM_CLASS) for image in (node, extensions))
    if ours and ours == theirs and roles == (Role.NODE, Role.EXTENSIONS):
        return None
    keys = (STREAM_CLASS, _BOOTC, _EXTENSIONS)
    return listing(
        f"{role}: " + ", ".join(f"{key} {said(image.labels.get(key))}" for key in keys)
        for role, image in ((Role.NODE, node), (Role.EXTENSIONS, extensions))
    )


def _streams(images: ImageSet) -> Answer:
    if images.unreadable_release is not None:
        raise images.unreadable_release
    if images.release is None:
        return NotJudged(lacks="no release was given", remedy="Add --release-image.")
    return listing(_unpaired(images.release))


def _unpaired(tags: Iterable[ReleaseTag]) -> Iterator[str]:
    """Yield what the machine-config operator would drop from a release, or take by chance."""
    streams: dict[str, dict[Role, dict[str, str]]] = {}
    for tag in tags:
        role, stream = _role(tag.labels), tag.labels.get(STREAM_CLASS)
        if role is None:
            yield f"{tag.tag} is labelled neither as an operating system nor as extensions"
        elif not stream:
            yield f"{tag.tag} has no {STREAM_CLASS}"
        else:
            streams.setdefault(stream, {}).setdefault(role, {})[tag.spec] = tag.tag
    for stream, roles in sorted(streams.items()):
        for role in (Role.NODE, Role.EXTENSIONS):
            names = roles.get(role, {}).values()
            if len(names) != 1:
                yield f"stream {stream}, {role}: {' and '.join(names) or 'none'}"
    if not streams:
        yield "no stream"


def _role(labels: Mapping[str, str]) -> Role | None:
    """Return what the machine-config operator takes an image for; None if it ignores the image."""
    if _is_set(labels, _BOOTC):
        return Role.NODE
    return Role.EXTENSIONS if _is_set(labels, _EXTENSIONS) else None


def _is_set(labels: Mapping[str, str], name: str) -> bool:
    return labels.get(name, "").lower() in _VALUES[name]


_OF_NODE: Mapping[Contract, Callable[[ImageSet], Answer]] = {
    Contract.METADATA_IS_TRUE: _metadata,
    Contract.METALAYER_IS_LABELLED: _metalayer,
    Contract.OVS_PLUGIN_FITS: packages.ovs_plugin_fits,
    Contract.MACHINE_OS_IS_NAMED: versions.machine_os_is_named,
    Contract.BOOTC_IS_LABELLED: _bootc,
    Contract.STREAM_CLASS_IS_OF_THE_RHEL: versions.stream_class_fits,
    Contract.STREAMS_ARE_PAIRED: _streams,
    Contract.ARCHITECTURES_AGREE: versions.architectures_agree,
}
_OF_TWO: Mapping[Contract, tuple[Role, Callable[[ImageSet, Inspection], str | None]]] = {
    Contract.LAYERS_BEGIN_WITH_BASE: (Role.BASE, _layers),
    Contract.BASE_PACKAGES_ARE_KEPT: (Role.BASE, packages.base_is_kept),
    Contract.VERSION_IS_INHERITED: (Role.BASE, versions.version_is_inherited),
    Contract.EXTENSIONS_ARE_PAIRED: (Role.EXTENSIONS, _paired),
    Contract.EXTENSIONS_KERNEL: (Role.EXTENSIONS, packages.extensions_have_kernel),
    Contract.DRIVER_TOOLKIT_KERNEL: (Role.DRIVER_TOOLKIT, packages.driver_toolkit_has_kernel),
    Contract.BOOTIMAGE_IS_OF_THE_RHEL: (Role.BOOTIMAGE, versions.bootimage_is_of_the_rhel),
    Contract.BOOTIMAGE_IS_NOT_NEWER: (Role.BOOTIMAGE, versions.bootimage_is_not_newer),
}
