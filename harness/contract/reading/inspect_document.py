"""What `node-image inspect` reports: an image, its layers and packages. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal

import msgspec

from harness.contract.document import Document
from harness.contract.inspection import ImageLayer, Inspection
from harness.contract.package_layers import PackageLayer
from harness.contract.sheet import Row, markdown_table, plain_markdown, table
from harness.model.escapes import printable
from harness.model.packages.nevra import Nevra

LAYERS_HEAD = ("layer", "size", "digest", "created by")
PACKAGES_HEAD = ("package", "version", "arch", "layer")
NAMES_HEAD = ("name", "value")
_SHOWN_COMMAND = 60
_SHOWN_DIGEST = 19


class LayerPart(msgspec.Struct, frozen=True, kw_only=True):
    """One layer of the image's archive, from the bottom up."""

    digest: str
    diff_id: str
    size_bytes: int
    media_type: str
    created_by: str


class PackagePart(msgspec.Struct, frozen=True, kw_only=True):
    """One package; `layer` is the one of the design that installed it."""

    name: str
    epoch: int
    version: str
    release: str
    arch: str
    layer: Literal["bootc", "CoreOS", "node", "unknown"]


class InspectReport(Document, frozen=True, kw_only=True, tag="inspect"):
    """An image for one architecture, or a bootimage; what is not known is null."""

    subject: str
    kind: Literal["image", "bootimage"]
    digest: str
    list_digest: str
    """Of the list that the image was chosen from; empty without a list."""
    architecture: str
    depth: Literal["quick", "deep"]
    version: str | None
    openshift: tuple[str, ...]
    """Claimed OpenShift versions; several contradict each other."""
    rhel: str | None
    stream_class: str | None
    kernel: str | None
    size_bytes: int
    read_bytes: int
    """Bytes of layers that were fetched for this answer when it was first given."""
    labels: dict[str, str]
    os_release: dict[str, str] | None
    layers: tuple[LayerPart, ...]
    packages: tuple[PackagePart, ...] | None
    extensions: dict[str, str] | None
    driver_toolkit: dict[str, str] | None
    found_in: dict[str, int]
    """The number of the layer, from 0 at the bottom, of each file that was read."""
    problems: tuple[str, ...]


def document(
    found: Inspection, layers: Mapping[Nevra, PackageLayer], problems: tuple[str, ...]
) -> InspectReport:
    """Return the document of an inspection, with the layer of each package."""
    claims = found.claims
    packages = sorted(found.packages, key=str) if found.packages is not None else None
    return InspectReport(
        subject=found.subject, kind=found.kind.value, digest=found.digest,
        list_digest=found.list_digest, architecture=found.architecture, depth=found.depth.value,
        version=_version(found), openshift=_openshift(found),
        rhel=claims.base.rhel if claims.base else (found.os_release or {}).get("VERSION_ID"),
        stream_class=claims.stream_class, kernel=found.kernel,
        size_bytes=found.size_bytes, read_bytes=found.read_bytes, labels=dict(found.labels),
        os_release=_copy(found.os_release), layers=tuple(map(_layer, found.layers)),
        packages=None if packages is None else tuple(_package(one, layers) for one in packages),
        extensions=_copy(found.extensions), driver_toolkit=_copy(found.driver_toolkit),
        found_in=dict(found.found_in), problems=problems,
    )  # fmt: skip


def lines(report: InspectReport) -> Iterator[str]:
    """Yield a document as text: what it is, problems, and tables."""
    width = max(len(name) for name, _ in _facts(report))
    yield from (f"{name:{width}}  {printable(value)}" for name, value in _facts(report))
    yield from (f"{'problem':{width}}  {printable(problem)}" for problem in report.problems)
    for head, rows in _tables(report):
        found = list(table(head, rows))
        yield from ("", *found) if found else ()


def markdown(report: InspectReport) -> Iterator[str]:
    """Yield a document as Markdown, for a release page."""
    yield f"## {plain_markdown(report.subject)}"
    yield ""
    yield from markdown_table(NAMES_HEAD, _facts(report))
    if report.problems:
        yield ""
        yield from (f"- {plain_markdown(problem)}" for problem in report.problems)
    for head, rows in _tables(report):
        found = list(markdown_table(head, rows))
        yield from ("", *found) if found else ()


def _facts(report: InspectReport) -> list[tuple[str, str]]:
    release = report.os_release or {}
    claimed = ", ".join(f"OpenShift {version}" for version in report.openshift)
    named = (
        (report.kind, report.subject), ("digest", report.digest), ("list", report.list_digest),
        ("architecture", report.architecture), ("version", report.version or ""),
        ("claims", claimed), ("RHEL", report.rhel or ""), ("stream class", report.stream_class),
        ("system", release.get("PRETTY_NAME", "")), ("kernel", report.kernel or ""),
        ("size", f"{_size(report.size_bytes)} in {len(report.layers)} layers"
                 if report.layers else ""),
        ("read", f"{report.depth}, {_size(report.read_bytes)}" if report.layers else report.depth),
        ("packages", _counted(report)),
    )  # fmt: skip
    return [(name, value) for name, value in named if value]


def _tables(report: InspectReport) -> Iterator[tuple[Row, list[Row]]]:
    yield LAYERS_HEAD, [_layer_row(*one) for one in enumerate(report.layers, start=1)]
    for title, fields in (
        ("label", report.labels), ("os-release", report.os_release),
        ("driver toolkit", report.driver_toolkit), ("extension", report.extensions),
    ):  # fmt: skip
        yield (title, "value"), [(name, value) for name, value in (fields or {}).items()]
    yield PACKAGES_HEAD, [_package_row(one) for one in report.packages or ()]


def _counted(report: InspectReport) -> str:
    if report.packages is None:
        return "unknown: use --deep" if report.depth == "quick" and not report.extensions else ""
    counts: dict[str, int] = {}
    for one in report.packages:
        counts[one.layer] = counts.get(one.layer, 0) + 1
    parts = ", ".join(f"{counts[layer]} {layer}" for layer in PackageLayer if layer in counts)
    return f"{len(report.packages)} ({parts})" if parts else "0"


def _version(found: Inspection) -> str | None:
    release = found.os_release or {}
    return found.claims.version or release.get("OSTREE_VERSION") or release.get("IMAGE_VERSION")


def _openshift(found: Inspection) -> tuple[str, ...]:
    stated = (found.os_release or {}).get("OPENSHIFT_VERSION")
    claimed = (*found.claims.ocp_versions, *((stated,) if stated else ()))
    return tuple(dict.fromkeys(claimed))


def _layer(layer: ImageLayer) -> LayerPart:
    return LayerPart(
        digest=layer.digest, diff_id=layer.diff_id, size_bytes=layer.size_bytes,
        media_type=layer.media_type, created_by=layer.created_by,
    )  # fmt: skip


def _package(package: Nevra, layers: Mapping[Nevra, PackageLayer]) -> PackagePart:
    return PackagePart(
        name=package.name, epoch=package.epoch, version=package.version, release=package.release,
        arch=package.arch, layer=layers.get(package, PackageLayer.UNKNOWN).value,
    )  # fmt: skip


def _layer_row(number: int, part: LayerPart) -> Row:
    command = " ".join(part.created_by.split())[:_SHOWN_COMMAND]
    return str(number), _size(part.size_bytes), part.digest[:_SHOWN_DIGEST], command


def _package_row(part: PackagePart) -> Row:
    epoch = f"{part.epoch}:" if part.epoch else ""
    return part.name, f"{epoch}{part.version}-{part.release}", part.arch, part.layer


def _copy(fields: Mapping[str, str] | None) -> dict[str, str] | None:
    return None if fields is None else dict(fields)


def _size(size_bytes: int) -> str:
    for unit, bits in (("GiB", 30), ("MiB", 20), ("KiB", 10)):
        if size_bytes >> bits:
            return f"{size_bytes / (1 << bits):.1f} {unit}"
    return f"{size_bytes} B"
