"""Which job must run follows from the packages of base image, node image and repositories."""

from __future__ import annotations

import pytest
from contract_packages import RHCOS, changed, named, nevra, packages
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.contract.package_diff import evr
from harness.contract.rebuilding.staleness import Job, Repository, jobs, reasons
from harness.model.packages.nevra import Nevra
from harness.model.packages.rpm_order import newest

REAL = packages(RHCOS)
NODE_LAYER = frozenset({named(REAL, "cri-o"), named(REAL, "openshift-hyperkube")})
BASE = REAL - NODE_LAYER
BOTH, BASE_ONLY, NODE_ONLY = frozenset(Job), frozenset({Job.BASE}), frozenset({Job.NODE})


def repository(*offers: Nevra, readers: frozenset[Job] = BOTH) -> Repository:
    return Repository(name="r", newest={each.name: each for each in offers}, jobs=readers)


def needed(*repositories: Repository, base: frozenset[Nevra] = BASE) -> list[tuple[str, str]]:
    return [(str(each.job), each.name) for each in reasons(base, REAL, repositories)]


def test_nothing_is_needed_without_news() -> None:
    assert needed() == []
    assert needed(repository(*REAL)) == []
    assert jobs(reasons(BASE, REAL, ())) == ()


def test_newer_package_of_the_base_in_a_repository_needs_the_base_job() -> None:
    found = reasons(BASE, REAL, [repository(nevra("bash", "4.4.20-99.el8"))])

    assert [(each.job, each.image, each.has, each.newest) for each in found] == [
        (Job.BASE, "base image", evr(named(REAL, "bash")), "4.4.20-99.el8")
    ]
    assert jobs(found) == (Job.BASE, Job.NODE)


def test_newer_package_of_the_node_layer_needs_the_node_job() -> None:
    found = reasons(BASE, REAL, [repository(nevra("cri-o", "1.99.0-1.el8"))])

    assert [(each.job, each.name, each.source) for each in found] == [(Job.NODE, "cri-o", "r")]
    assert jobs(found) == (Job.NODE,)


def test_node_image_on_an_older_base_needs_the_node_job() -> None:
    """The base job has run already: it would make nothing new."""
    newer = changed(BASE, "systemd", release="999")

    found = reasons(newer, REAL, [repository(*newer)])

    assert [(each.job, each.name, each.source) for each in found] == [
        (Job.NODE, "systemd", "base image")
    ]


def test_package_that_the_base_gained_needs_the_node_job() -> None:
    assert needed(base=BASE | {nevra("gained", "1-1")}) == [("node job", "gained")]


def test_package_that_moved_to_the_base_needs_nothing() -> None:
    """As NetworkManager-ovs did: the same version is in both images."""
    assert needed(base=BASE | {named(REAL, "cri-o")}) == []


def test_a_fast_track_is_judged_as_of_the_node_layer() -> None:
    older = changed(BASE, "bash", release="1.el8")
    has = named(REAL, "bash")

    assert needed(base=older) == []
    found = needed(repository(nevra("bash", f"{has.version}-99.el8")), base=older)
    assert found == [("base job", "bash"), ("node job", "bash")]


@pytest.mark.parametrize(
    ("readers", "expected"),
    [(BASE_ONLY, []), (NODE_ONLY, [("node job", "cri-o")]), (BOTH, [("node job", "cri-o")])],
)
def test_a_repository_counts_for_the_jobs_that_read_it(
    readers: frozenset[Job], expected: list[tuple[str, str]]
) -> None:
    assert needed(repository(nevra("cri-o", "1.99.0-1.el8"), readers=readers)) == expected


def test_a_base_package_in_a_repository_of_the_node_job_needs_nothing() -> None:
    """The node job takes the packages of the base as they are (art-tools, PR 1585)."""
    offer = nevra("bash", "9-1.el8")

    assert needed(repository(offer, readers=NODE_ONLY)) == []


def test_other_architectures_and_older_versions_are_no_updates() -> None:
    assert needed(repository(nevra("bash", "9-1.el8", "i686"))) == []
    assert needed(repository(nevra("bash", "1-1.el8"))) == []
    assert needed(repository(nevra("bash", "9-1.el8", "noarch"))) == [("base job", "bash")]


def test_the_newest_of_several_kernels_and_repositories_counts() -> None:
    kernels = {nevra("kernel-core", f"5.14.0-{number}.el9") for number in (427, 570)}
    offers = [repository(nevra("kernel-core", f"5.14.0-{number}.el9")) for number in (570, 611)]

    assert reasons(kernels, kernels, offers[:1]) == ()
    (found,) = reasons(kernels, kernels, offers)
    assert (found.has, found.newest) == ("5.14.0-570.el9", "5.14.0-611.el9")


NEVRAS = st.builds(
    Nevra, name=st.sampled_from("abc"), epoch=st.just(0), version=st.sampled_from("123"),
    release=st.just("1"), arch=st.just("x86_64"),
)  # fmt: skip
LISTS = st.frozensets(NEVRAS, max_size=4)


@settings(deadline=None)
@given(LISTS, LISTS, LISTS)
def test_jobs_that_ran_leave_nothing_to_do(
    base: frozenset[Nevra], layer: frozenset[Nevra], offered: frozenset[Nevra]
) -> None:
    newest_offers = {name: newest(p for p in offered if p.name == name) for name in "abc"
                     if any(p.name == name for p in offered)}  # fmt: skip
    repositories = [Repository(name="r", newest=newest_offers)]

    def updated(listed: frozenset[Nevra]) -> frozenset[Nevra]:
        best = [[p, newest_offers[p.name]] if p.name in newest_offers else [p] for p in listed]
        return frozenset(map(newest, best))

    new_base = updated(base)
    new_node = updated(new_base | layer)

    assert reasons(new_base, new_node, repositories) == ()
    old_base = {reason.job for reason in reasons(base, new_node, repositories)}
    assert Job.NODE not in old_base
