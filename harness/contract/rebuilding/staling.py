"""Reads base and node images and repositories, and judges which job must run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.contract.inspection import Depth, Inspection
from harness.contract.package_layers import why_not_base
from harness.contract.reading.access import Access
from harness.contract.reading.inspect import inspect
from harness.contract.reading.named_images import NamedImages, named_by
from harness.contract.rebuilding.stale_document import StalePart
from harness.contract.rebuilding.staleness import Job, Repository, jobs, reasons
from harness.images.acquire.url import shown_image
from harness.images.yum_repository import newest_of
from harness.model.claims import STREAM_CLASS
from harness.model.clock import Deadline
from harness.model.errors import InputError
from harness.model.packages.nevra import Nevra

_NO_BASE = "Name the newest base image of its RHEL with --base."


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What to judge: images by reference, and repositories by folder or URL for each job."""

    bases: tuple[str, ...]
    nodes: tuple[str, ...]
    release: str = ""
    stream: str = ""
    repositories: tuple[tuple[str, frozenset[Job]], ...] = ()


def judge(question: Question, access: Access, deadline: Deadline) -> list[StalePart]:
    """Return the verdict on each node image, for the architecture of `access`.

    Raises:
        InputError: something cannot be read, or a node image has no base image.
        DeadlineError: the time is over.
    """
    release = None
    if question.release:
        release = named_by(question.release, access, deadline, question.stream)
        if not release.is_release:
            problem = "not a release image"
            raise InputError(question.release, problem, "Name the image with --node.")
    bases = [_base(each, access, deadline) for each in question.bases]
    nodes = question.nodes or tuple(release.images.values() if release else ())
    repositories = [
        Repository(
            name=shown_image(place), jobs=readers,
            newest=newest_of(place, access.arch, access.cache, deadline),
        )
        for place, readers in question.repositories
    ]  # fmt: skip
    return [
        _part(
            _with_packages(each, access, deadline), bases, repositories,
            release if question.nodes else None,
        )
        for each in nodes
    ]  # fmt: skip


def _with_packages(subject: str, access: Access, deadline: Deadline) -> Inspection:
    """Return an inspection with packages: a quick one if the image lists them."""
    quick = inspect(subject, Depth.QUICK, access, deadline)
    return quick if quick.packages is not None else inspect(subject, Depth.DEEP, access, deadline)


def _base(subject: str, access: Access, deadline: Deadline) -> Inspection:
    """Return an inspection of a base image.

    Raises:
        InputError: its labels are those of a node image, as if base and node were swapped.
    """
    found = _with_packages(subject, access, deadline)
    # Not by the version: of older base images, it has the OpenShift as well.
    claims = [place for place in found.claims.ocp if place.startswith("label ")]
    if found.claims.stream_class:
        claims.append(f"label {STREAM_CLASS}")
    if claims:
        problem = f"a node image, not a base image, by its {', '.join(claims)}"
        raise InputError(subject, problem, "Use the image that it is built on, or swap the two.")
    return found


def _part(
    node: Inspection,
    bases: Sequence[Inspection],
    repositories: Sequence[Repository],
    release: NamedImages | None,
) -> StalePart:
    base = _base_of(node, bases)
    found = reasons(_packages(base), _packages(node), repositories)
    return StalePart(
        stream=_stream(node), architecture=node.architecture,
        base=base.subject, base_version=base.claims.version,
        node=node.subject, node_version=node.claims.version,
        is_built_on_base=why_not_base(node, base) is None,
        is_in_release=None if release is None else _is_in(release, node),
        jobs=tuple(map(str, jobs(found))), reasons=found,
    )  # fmt: skip


def _base_of(node: Inspection, bases: Sequence[Inspection]) -> Inspection:
    """Return the base image of the same RHEL."""
    wanted = _rhel(node)
    fitting = [base for base in bases if None in (wanted, _rhel(base)) or _rhel(base) == wanted]
    if len(fitting) == 1:
        return fitting[0]
    count = "no base image" if not fitting else "several base images"
    raise InputError(node.subject, f"{count} for RHEL {wanted or 'unknown'}", _NO_BASE)


def _rhel(image: Inspection) -> int | None:
    version = image.claims.base
    return version.rhel_major if version is not None and version.rhel else None


def _stream(node: Inspection) -> str:
    rhel = _rhel(node)
    return node.claims.stream_class or (f"RHEL {rhel}" if rhel else "")


def _packages(image: Inspection) -> frozenset[Nevra]:
    if image.packages is None:
        problem = "no list of packages was found"
        raise InputError(image.subject, problem, "Use an image of an operating system.")
    return image.packages


def _is_in(release: NamedImages, node: Inspection) -> bool:
    digests = {reference.rpartition("@")[2] for reference in release.images.values()}
    return not digests.isdisjoint({node.digest, node.list_digest})
