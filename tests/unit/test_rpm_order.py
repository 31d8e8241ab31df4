"""Versions of packages are ordered as RPM orders them."""

from __future__ import annotations

import shutil

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness import process
from harness.model.clock import Deadline
from harness.model.packages.nevra import Nevra
from harness.model.packages.rpm_order import evr_key, newest, version_key

# Without a hyphen, at which RPM's own function splits version from release.
VERSIONS = st.text("019aZ.~^_+", min_size=1, max_size=10)


def package(text: str) -> Nevra:
    epoch, version, release = text.split("|")
    return Nevra(name="a", epoch=int(epoch), version=version, release=release, arch="x86_64")


@pytest.mark.parametrize(
    ("older", "newer"),
    [
        ("1.0~rc1", "1.0"), ("1.0", "1.0^git1"), ("1.0^git1", "1.0.1"), ("1.0~~", "1.0~"),
        ("1.0^20260101", "1.0.1"), ("1.0^20260101~rc", "1.0^20260101"), ("1.9", "1.10"),
        ("1.a", "1.1"), ("1", "1a"), ("2.fc9", "2.fc10"), ("9" * 5000, "1" + "0" * 5000),
        # Real releases: one of 4.20.16 and a fast-track of a kernel.
        ("5.14.0-570.41.1.el9_6", "5.14.0-570.42.1.el9_6"),
        ("1.2.9~2.rhaos4.20.el9", "1.2.9"),
    ],
)  # fmt: skip
def test_order_is_that_of_rpm(older: str, newer: str) -> None:
    assert version_key(older) < version_key(newer)


@pytest.mark.parametrize(
    ("one", "other"),
    [("1.0", "1_0"), ("1.0", "1.00"), ("1.0", "1.0."), ("1\u00e91", "1.1")],
)
def test_some_spellings_are_equal(one: str, other: str) -> None:
    assert version_key(one) == version_key(other)


def test_epoch_counts_first_and_release_last() -> None:
    ordered = [package(text) for text in ("0|2|1", "0|2|1.1", "0|2.1|0", "1|1|1")]

    assert sorted({*ordered}, key=evr_key) == ordered
    assert newest(ordered[:2]) == ordered[1]


@settings(deadline=None, max_examples=20)
@given(st.lists(st.tuples(VERSIONS, VERSIONS), min_size=20, max_size=60))
def test_rpm_itself_agrees(pairs: list[tuple[str, str]]) -> None:
    if shutil.which("rpm") is None:
        pytest.skip("no rpm on this host")
    calls = "".join(f'print(rpm.vercmp("{one}","{other}").." ") ' for one, other in pairs)

    said = process.run(["rpm", "--eval", f"%{{lua:{calls}}}"], Deadline.after(60))

    keys = [(version_key(one), version_key(other)) for one, other in pairs]
    assert list(map(int, said.stdout.split())) == [(a > b) - (a < b) for a, b in keys]
