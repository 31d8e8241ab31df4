"""Which layer of a node image is out of date, and which job makes it new. Pure.

A job that builds node images takes the packages of the base image as they are: it cannot update
them. So a package of the base is made new by the base job, and reaches the node image by a node
job after it (openshift-eng/art-tools, PR 1585).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from harness.contract.package_diff import by_place, evr
from harness.model.packages.nevra import Nevra
from harness.model.packages.rpm_order import evr_key, newest

_NOARCH = "noarch"


class Job(StrEnum):
    """A job of the pipeline; the order is that in which they run."""

    BASE = "base job"
    """Builds the base image: RHEL content."""
    NODE = "node job"
    """Builds the node image on the base image: OpenShift's packages."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Repository:
    """The newest package of each name in a repository, and the jobs that read it."""

    name: str
    newest: Mapping[str, Nevra]
    jobs: frozenset[Job] = frozenset(Job)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """A package that makes a job necessary.

    `has` is the version in `image`, the base image or the node image; empty where it lacks the
    package. `newest` is the version in `source`, a repository or the base image.
    """

    job: Job
    name: str
    arch: str
    image: str
    has: str
    source: str
    newest: str


BASE_IMAGE, NODE_IMAGE = "base image", "node image"


def reasons(
    base: Iterable[Nevra], node: Iterable[Nevra], repositories: Iterable[Repository]
) -> tuple[Reason, ...]:
    """Return why jobs must run; empty if both images are up to date.

    `base` is the newest base image, not the one that the node image was built on.
    """
    in_base = {place: newest(found) for place, found in by_place(base).items()}
    in_node = {place: newest(found) for place, found in by_place(node).items()}
    repositories = tuple(repositories)
    found = [
        *_outdated(in_base, BASE_IMAGE, Job.BASE, repositories),
        *_older_than_base(in_base, in_node),
        *_outdated(_only_in_node(in_base, in_node), NODE_IMAGE, Job.NODE, repositories),
    ]
    return tuple(sorted(found, key=lambda each: (tuple(Job).index(each.job), each.name, each.arch)))


def jobs(found: Iterable[Reason]) -> tuple[Job, ...]:
    """Return the jobs to run, in their order; after a base job, a node job takes what it made."""
    needed = {reason.job for reason in found}
    if Job.BASE in needed:
        needed.add(Job.NODE)
    return tuple(job for job in Job if job in needed)


_Places = Mapping[tuple[str, str], Nevra]


def _outdated(
    installed: _Places, image: str, job: Job, repositories: tuple[Repository, ...]
) -> Iterator[Reason]:
    """Yield packages of which a repository of the job has a newer version."""
    for package in installed.values():
        offers = [
            (offer, repository.name)
            for repository in repositories
            if job in repository.jobs
            and (offer := repository.newest.get(package.name)) is not None
            and _replaces(offer, package)
        ]
        if offers:
            offer, name = max(offers, key=lambda each: evr_key(each[0]))
            yield _reason(job, package, image, offer, name)


def _replaces(offer: Nevra, package: Nevra) -> bool:
    """Return whether an update takes `offer`: newer, and for the same or for every architecture."""
    fits = offer.arch == package.arch or _NOARCH in (offer.arch, package.arch)
    return fits and evr_key(offer) > evr_key(package)


def _older_than_base(in_base: _Places, in_node: _Places) -> Iterator[Reason]:
    """Yield what shows that the node image was built on an older base image."""
    for place, package in in_base.items():
        has = in_node.get(place)
        if has is None:
            yield Reason(
                job=Job.NODE, name=package.name, arch=package.arch, image=NODE_IMAGE, has="",
                source=BASE_IMAGE, newest=evr(package),
            )  # fmt: skip
        elif evr_key(has) < evr_key(package):
            yield _reason(Job.NODE, has, NODE_IMAGE, package, BASE_IMAGE)


def _only_in_node(in_base: _Places, in_node: _Places) -> _Places:
    """Return the packages of the node layer.

    One that replaced an older package of the base, as a fast-track does, is of the node layer.
    """
    return {
        place: package
        for place, package in in_node.items()
        if place not in in_base or evr_key(package) > evr_key(in_base[place])
    }


def _reason(job: Job, package: Nevra, image: str, offer: Nevra, source: str) -> Reason:
    return Reason(
        job=job, name=package.name, arch=package.arch, image=image, has=evr(package),
        source=source, newest=evr(offer),
    )  # fmt: skip
