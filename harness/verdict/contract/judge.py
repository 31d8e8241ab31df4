"""Judges rows on images: of a node on snapshots made from them, of the contract by its checks.

A snapshot of an image has its packages, its os-release and the observed paths. Units do not run in
an image, so their rows are not judged.
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import structs

from harness.contract.inspection import Inspection
from harness.model.node_state import NodeState
from harness.model.packages.nevra import Nevra
from harness.verdict import findings
from harness.verdict.contract import checks, packages
from harness.verdict.contract.image_set import ImageSet, NotJudged, Role
from harness.verdict.contract_rows import Contract, ContractRow
from harness.verdict.findings import Finding
from harness.verdict.passage import Passage
from harness.verdict.rows import (
    FileRow,
    InvariantRow,
    Layer,
    OsReleaseRow,
    PackageRow,
    Row,
    UnitRow,
)

Judged = Finding | NotJudged | None
_BEFORE = (Role.BASE, Role.BOOTIMAGE)
_ImageRow = PackageRow | OsReleaseRow | FileRow


def judge(row: Row | ContractRow, images: ImageSet, ocp: tuple[str, ...] = ()) -> Judged:
    """Return the finding if a row does not hold for images, None if it does.

    `ocp` has the OpenShift versions that the node image claims.

    Raises:
        HarnessError: an image that the row is about cannot be read.
    """
    if isinstance(row, ContractRow):
        return _contract(row, images)
    if isinstance(row, UnitRow | InvariantRow):
        return NotJudged(
            lacks="it takes a node that runs", remedy="Run a scenario with the same images."
        )
    return _row(row, images, ocp)


def _contract(row: ContractRow, images: ImageSet) -> Judged:
    observed = checks.broken(row.name, images)
    if not isinstance(observed, str):
        return observed
    is_of_deltas = row.name is Contract.BASE_PACKAGES_ARE_KEPT
    notes = packages.unused(images) if is_of_deltas else ()
    return Finding(
        row=row, observed=observed,
        notes=tuple(f"the known delta {delta.name} is not used" for delta in notes),
    )  # fmt: skip


def _row(row: _ImageRow, images: ImageSet, ocp: tuple[str, ...]) -> Judged:
    given = [role for role in _BEFORE if role in images.others]
    if isinstance(row, FileRow):
        given = [role for role in given if role in images.files]
    if (unknown := _unknown(row, images, given)) is not None:
        return unknown
    unread = [role for role in _BEFORE if role in images.unreadable]
    if not given:
        half = _half(row, images, ocp)
        return NotJudged.unread(unread) if isinstance(half, NotJudged) and unread else half
    for role in given:
        finding = findings.judge(row, _passage(images, role, ocp))
        if finding is not None:
            named = finding.observed.replace("before:", f"{role}:").replace(
                "after:", f"{Role.NODE}:"
            )
            return Finding(row=finding.row, observed=named, notes=finding.notes)
    return NotJudged.unread(unread) if unread else None


def _half(row: _ImageRow, images: ImageSet, ocp: tuple[str, ...]) -> Judged:
    """Judge what a row says of the node image alone; without a fault that is half an answer."""
    alone = structs.replace(row, layer=Layer.EITHER)
    found = findings.judge(alone, _passage(images, Role.NODE, ocp))
    if found is not None:
        observed = found.observed.rpartition("after:")[2].strip()
        return Finding(row=row, observed=f"{Role.NODE}: {observed}")
    return None if row.layer is Layer.EITHER else NotJudged.without(Role.BASE)


def _unknown(row: _ImageRow, images: ImageSet, given: list[Role]) -> Judged:
    """Return an answer if what a row is about was not found in one of the images."""
    for role in (Role.NODE, *given):
        image = images.get(role)
        if image is None or all(_has(row, image)):
            continue
        what = "rpm database" if isinstance(row, PackageRow) else "os-release"
        return Finding(row=row, observed=f"no {what} was found in the {role} {image.subject}")
    if isinstance(row, FileRow) and Role.NODE not in images.files:
        return NotJudged(lacks="the files of the node image are unknown", remedy="Report a bug.")
    return None


def _has(row: _ImageRow, image: Inspection) -> Iterator[bool]:
    if isinstance(row, PackageRow):
        yield image.packages is not None
    if isinstance(row, OsReleaseRow):
        yield image.os_release is not None


def _passage(images: ImageSet, before: Role, ocp: tuple[str, ...]) -> Passage:
    return Passage(
        before=_state(images, before), after=_state(images, Role.NODE), ocp=ocp,
        base_version=images.node.claims.version,
    )  # fmt: skip


def _state(images: ImageSet, role: Role) -> NodeState:
    image = images.get(role) or images.node
    return NodeState(
        boot_id="", kernel=image.kernel or "", cmdline="", os_release=image.os_release or {},
        packages=_by_name(image), units={}, mounts=(), dangling_links=frozenset(), avcs=(),
        existing_paths=images.files.get(role, frozenset()), deployments=(), problems=(),
    )  # fmt: skip


def _by_name(image: Inspection) -> dict[str, tuple[Nevra, ...]]:
    grouped: dict[str, tuple[Nevra, ...]] = {}
    for package in sorted(image.packages or (), key=str):
        grouped[package.name] = (*grouped.get(package.name, ()), package)
    return grouped
