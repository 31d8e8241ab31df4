"""Two lists of packages are compared by name and architecture, and each change has a direction."""

from __future__ import annotations

import pytest
from contract_packages import FCOS, RHCOS, changed, named, nevra, packages
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.contract.package_diff import Change, PackageChange, compare, evr
from harness.model.packages.nevra import Nevra

REAL = packages(RHCOS)
NEVRAS = st.builds(
    Nevra, name=st.sampled_from(["a", "b", "gpg-pubkey"]), epoch=st.integers(0, 1),
    version=st.text("01~^.", min_size=1, max_size=3), release=st.just("1"),
    arch=st.sampled_from(["x86_64", "noarch"]),
)  # fmt: skip
LISTS = st.frozensets(NEVRAS, max_size=6)


def only(old: frozenset[Nevra], new: frozenset[Nevra]) -> PackageChange:
    (change,) = compare(old, new)
    return change


def test_a_real_list_equals_itself() -> None:
    assert len(REAL) == 504
    assert compare(REAL, REAL) == ()


@pytest.mark.parametrize(
    ("fields", "change", "new"),
    [
        ({"version": "1.37.0"}, Change.UPGRADED, "1:1.37.0-9.el8_6"),
        ({"release": "9.el8_6.1"}, Change.UPGRADED, "1:1.36.0-9.el8_6.1"),
        ({"release": "9.el8_4"}, Change.DOWNGRADED, "1:1.36.0-9.el8_4"),
        ({"epoch": 0, "version": "2.0"}, Change.DOWNGRADED, "2.0-9.el8_6"),
        ({"version": "1.36.0~rc1"}, Change.DOWNGRADED, "1:1.36.0~rc1-9.el8_6"),
        ({"version": "1.36.0^git1"}, Change.UPGRADED, "1:1.36.0^git1-9.el8_6"),
        ({"version": "1.36.00"}, Change.RESPELLED, "1:1.36.00-9.el8_6"),
    ],
)
def test_a_change_of_version_has_a_direction(
    fields: dict[str, str | int], change: Change, new: str
) -> None:
    found = only(REAL, changed(REAL, "NetworkManager", **fields))

    assert found == PackageChange(
        name="NetworkManager", arch="x86_64", change=change,
        old=("1:1.36.0-9.el8_6",), new=(new,),
    )  # fmt: skip


def test_a_package_that_comes_or_goes() -> None:
    less = REAL - {named(REAL, "bash")}

    assert only(less, REAL).change is Change.ADDED
    assert only(REAL, less).change is Change.REMOVED
    assert only(REAL, less).new == ()


def test_architectures_are_kept_apart() -> None:
    """`oc` compares by name alone: of two architectures it sees the last one."""
    both = REAL | {nevra("glibc", "2.28-211.el8", "i686")}

    assert (only(REAL, both).arch, only(REAL, both).change) == ("i686", Change.ADDED)
    moved = compare(REAL, changed(REAL, "bash", arch="noarch"))
    assert [(change.arch, change.change) for change in moved] == [
        ("noarch", Change.ADDED), ("x86_64", Change.REMOVED),
    ]  # fmt: skip


KERNELS = [nevra("kernel-core", f"5.14.0-{number}.el9") for number in (427, 570, 611)]


@pytest.mark.parametrize(
    ("old", "new", "change", "gone", "come"),
    [
        ([0], [0, 1], Change.ADDED, [], [1]),
        ([0, 1], [1], Change.REMOVED, [0], []),
        ([0, 1], [1, 2], Change.UPGRADED, [0], [2]),
        ([0, 2], [1], Change.DOWNGRADED, [0, 2], [1]),
        ([1, 2], [0, 2], Change.DOWNGRADED, [1], [0]),
    ],
)
def test_several_kernels_are_compared_as_sets(
    old: list[int], new: list[int], change: Change, gone: list[int], come: list[int]
) -> None:
    found = only(frozenset(KERNELS[n] for n in old), frozenset(KERNELS[n] for n in new))

    assert found.change is change
    assert found.old == tuple(evr(KERNELS[n]) for n in gone)
    assert found.new == tuple(evr(KERNELS[n]) for n in come)


def test_keys_come_and_go_without_a_direction() -> None:
    keys = [
        nevra("gpg-pubkey", evr, "(none)") for evr in ("fd431d51-4ae0493b", "5a6340b3-6229229e")
    ]

    found = compare(keys[:1], keys[1:])

    assert [change.change for change in found] == [Change.REMOVED, Change.ADDED]


def test_two_distributions_differ_in_both_directions() -> None:
    found = {(change.name, change.change) for change in compare(REAL, packages(FCOS))}

    assert ("kernel-core", Change.UPGRADED) in found
    assert ("kernel-modules-core", Change.ADDED) in found
    assert ("cri-o", Change.REMOVED) in found
    # Newer by its version, older by its epoch or scheme, as RPM sees it.
    assert {change for _, change in found} >= {Change.UPGRADED, Change.DOWNGRADED}


@settings(deadline=None)
@given(LISTS, LISTS)
def test_a_comparison_can_be_turned_round(old: frozenset[Nevra], new: frozenset[Nevra]) -> None:
    turned = {
        Change.ADDED: Change.REMOVED, Change.REMOVED: Change.ADDED,
        Change.UPGRADED: Change.DOWNGRADED, Change.DOWNGRADED: Change.UPGRADED,
        Change.RESPELLED: Change.RESPELLED,
    }  # fmt: skip
    there = {(c.name, c.arch, turned[c.change], c.new, c.old) for c in compare(old, new)}
    back = {(c.name, c.arch, c.change, c.old, c.new) for c in compare(new, old)}

    assert there == back
    assert (not there) is (old == new)


@settings(deadline=None)
@given(LISTS, LISTS)
def test_changes_name_each_package_that_differs(
    old: frozenset[Nevra], new: frozenset[Nevra]
) -> None:
    found = compare(old, new)

    assert sum(len(change.old) for change in found) == len(old - new)
    assert sum(len(change.new) for change in found) == len(new - old)
