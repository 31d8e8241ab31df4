"""Versions of one scheme have an order, others have none; Semantic Versioning differs."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.contract import version_document
from harness.contract.version_document import document
from harness.model.errors import InputError
from harness.model.versions.version import Scheme, Version, parse
from harness.model.versions.version_order import (
    SemverKey,
    compare,
    order_key,
    semver_key,
    sorted_by_order,
)

ORDERED = [
    ["9.4.202409090849-0", "9.6.20250203-0", "9.6.20250203-1", "9.6.20250203-10",
     "9.6.20260327-0", "9.8.20260403-0", "10.0.20251103-dev0", "10.0.20251103-dev2",
     "10.0.20251103-dev10", "10.0.20251103-wip1", "10.0.20251103-0", "10.2.20260405-0"],
    ["43.82.202102081639.0", "49.84.202109102026-0", "413.86.202212021619-0",
     "413.92.202302130811-0", "418.94.202410090804-0", "419.94.202412101440-0"],
    ["4.9-8.4-202109102026", "4.21-9.6-202602041851-node-image", "4.21.9.6.202602041851-1",
     "4.21-10.2-202601041851-node-image", "5.1.10.2.202609041851-0"],
    ["39.20231101.3.0", "44.20260707.3.1", "44.20260720.1.1", "44.20260720.2.0"],
]  # fmt: skip


@pytest.mark.parametrize("texts", ORDERED, ids=lambda texts: str(texts[0]))
def test_versions_of_one_scheme_are_ordered(texts: list[str]) -> None:
    for older, newer in pairwise(map(parse, texts)):
        assert (compare(older, newer), compare(newer, older)) == (-1, 1)
    (found,) = sorted_by_order(map(parse, reversed(texts))).values()
    assert [version.text for version in found] == texts


def test_tag_and_the_build_id_made_of_it_are_equal() -> None:
    assert compare(parse("4.21-9.6-202602041851-node-image"), parse("4.21.9.6.202602041851-0")) == 0


@pytest.mark.parametrize("other", ["418.94.202410090804-0", "44.20260720.1.1", "9.20240920.0"])
def test_schemes_without_a_common_order_are_refused(other: str) -> None:
    with pytest.raises(InputError, match="have no order"):
        compare(parse("9.6.20250203-0"), parse(other))
    assert len(sorted_by_order(map(parse, ["9.6.20250203-0", other]))) == 2


@pytest.mark.parametrize(
    ("text", "is_semver"),
    [
        ("9.6.20250203-0", True), ("10.0.20251103-dev0", True), ("418.94.202410090804-0", True),
        ("43.82.202102081639.0", False), ("4.21-9.6-202602041851-node-image", False),
        ("4.21.9.6.202602041851-0", False), ("9.20240920.0", True), ("44.20260720.1.1", False),
        ("9.06.20250203-0", False), ("9.6.20250203-00", False),
    ],
)  # fmt: skip
def test_some_are_semantic_versions(text: str, is_semver: bool) -> None:
    assert (semver_key(parse(text)) is not None) is is_semver


@pytest.mark.parametrize(
    ("one", "other", "disagrees"),
    [
        ("10.0.20251103-dev0", "10.0.20251103-0", True),
        ("10.0.20251103-dev10", "10.0.20251103-dev2", True),
        ("9.6.20250203-9", "9.6.20250203-10", False),
        ("9.4.202409090849-0", "9.4.20250203-0", True),
        ("44.20260720.1.1", "44.20260720.2.0", False),
    ],
)
def test_semantic_versioning_may_disagree(one: str, other: str, disagrees: bool) -> None:
    found = document([parse(one), parse(other)])

    assert bool(found.semver_disagrees) is disagrees


def test_keys_are_made_once_for_each_version(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: Counter[str] = Counter()

    def counted(version: Version) -> SemverKey | None:
        asked[version.text] += 1
        return semver_key(version)

    monkeypatch.setattr(version_document, "semver_key", counted)

    def times(count: int) -> set[int]:
        asked.clear()
        document([parse(f"9.6.20250203-{number}") for number in range(count)])
        return set(asked.values())

    assert times(20) == times(2)


OCP = st.sampled_from([f"{major}.{minor}" for major in (4, 5) for minor in range(20)])
RHEL = st.sampled_from(["9.4", "9.6", "10.2"])
BUILT = st.sampled_from([f"20260{month}0{day}1851" for month in (1, 2) for day in (1, 2)])
BUILD = st.sampled_from([f"{dev}{number}" for dev in ("", "dev") for number in range(10)])
END = st.sampled_from(["", "-node-image"])
NODE = st.one_of(
    st.builds("{}-{}-{}{}".format, OCP, RHEL, BUILT, END),
    st.builds("{}.{}.{}-{}".format, OCP, RHEL, BUILT, BUILD),
).map(parse)


@settings(deadline=None)
@given(NODE, NODE, NODE)
def test_the_order_is_total(a: Version, b: Version, c: Version) -> None:
    assert {a.scheme, b.scheme, c.scheme} <= {Scheme.TAG, Scheme.BUILD_ID}

    assert compare(a, b) == -compare(b, a)
    if compare(a, b) <= 0 and compare(b, c) <= 0:
        assert compare(a, c) <= 0
    assert (compare(a, b) == 0) is (order_key(a) == order_key(b))
