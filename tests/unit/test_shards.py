"""Which shard a test belongs to, for whatever tests and however many shards."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.model.errors import InputError
from harness.model.shard import Shard, parse
from harness.plugin.partition import partition, weigh

UNITS = st.dictionaries(
    st.text(min_size=1, max_size=5), st.floats(0, 10_000, allow_nan=False), max_size=40
)
COUNTS = st.integers(1, 50)


@given(UNITS, COUNTS)
def test_each_unit_is_in_exactly_one_shard(weights: dict[str, float], count: int) -> None:
    found = partition(weights, count)

    assert found.keys() == weights.keys()
    assert all(1 <= number <= count for number in found.values())


@given(UNITS, COUNTS, st.randoms())
def test_order_of_collection_has_no_effect(
    weights: dict[str, float], count: int, random: Random
) -> None:
    names = list(weights)
    random.shuffle(names)

    assert partition({name: weights[name] for name in names}, count) == partition(weights, count)


@given(UNITS, COUNTS)
def test_no_shard_is_heavier_than_the_mean_and_one_unit_more(
    weights: dict[str, float], count: int
) -> None:
    found = partition(weights, count)

    loads = [
        sum(weights[unit] for unit, number in found.items() if number == shard)
        for shard in range(1, count + 1)
    ]
    slack = 0.01 * (len(weights) + 1)
    assert max(loads) <= sum(weights.values()) / count + max(weights.values(), default=0) + slack


@given(UNITS, COUNTS)
def test_no_shard_is_empty_while_another_has_two_units(
    weights: dict[str, float], count: int
) -> None:
    found = list(partition(weights, count).values())

    sizes = [found.count(shard) for shard in range(1, count + 1)]
    assert 0 not in sizes or max(sizes) <= 1


def test_heavy_scenarios_are_apart() -> None:
    found = partition({"sno": 800, "ipi": 400, "upi": 390, "file": 20}, 2)

    assert found == {"sno": 1, "ipi": 2, "upi": 2, "file": 2}


def test_usual_seconds_are_the_weight() -> None:
    assert weigh({"ipi": 100, "sno": 300}, {"ipi": 400.0, "sno": 60.0, "gone": 1.0}) == {
        "ipi": 400.0, "sno": 60.0,
    }  # fmt: skip


def test_units_without_history_weigh_as_much_as_their_like() -> None:
    found = weigh({"ipi": 100, "sno": 300, "file": 10}, {"ipi": 400.0})

    assert found == {"ipi": 400.0, "sno": 1200.0, "file": 40.0}


def test_without_history_the_defaults_are_the_weight() -> None:
    assert weigh({"ipi": 100.0, "file": 3.0}, {}) == {"ipi": 100.0, "file": 3.0}


@pytest.mark.parametrize(
    ("text", "index", "number", "count"),
    [
        ("1/1", "", 1, 1),
        ("2/3", "", 2, 3),
        ("2/3", "0", 2, 3),
        ("3", "0", 1, 3),
        ("3", "2", 3, 3),
        ("--shard-count 2 --shard-id 1", "", 1, 2),
        ("--shard-count=2 --shard-id=2", "", 2, 2),
        ('"--shard-count 2 --shard-id 1"', "", 1, 2),
        ("10000/10000", "", 10_000, 10_000),
    ],
)
def test_shard_is_read(text: str, index: str, number: int, count: int) -> None:
    assert parse("--shard", text, index) == Shard(number=number, count=count)


@pytest.mark.parametrize(
    ("text", "index", "problem"),
    [
        ("0/3", "", "'0/3' is not one of the shards"),
        ("4/3", "", "'4/3' is not one of the shards"),
        ("1/0", "", "'1/0' is not one of the shards"),
        ("1/10001", "", "'1/10001' is not one of the shards"),
        ("-1/3", "", "'-1/3' is not a shard"),
        ("1/3/5", "", "'1/3/5' is not a shard"),
        ("1 of 3", "", "'1 of 3' is not a shard"),
        ("/", "", "'/' is not a shard"),
        ("1.5/3", "", "'1.5/3' is not a shard"),
        ("\u0661/\u0663", "", "is not a shard"),
        ("\u00b2", "", "is not a shard"),
        ("9" * 9000 + "/3", "", "is not a shard"),
        ("3", "", "'3' is a number of shards, and $JOB_COMPLETION_INDEX is not set"),
        ("3", "3", "'3 with JOB_COMPLETION_INDEX=3' is not one of the shards"),
        ("3", "-1", "$JOB_COMPLETION_INDEX: '-1' is not the index of a job"),
        ("3", "x", "$JOB_COMPLETION_INDEX: 'x' is not the index of a job"),
        ("3", "9" * 9000, "is not the index of a job"),
    ],
)
def test_other_shards_are_refused_in_one_error(text: str, index: str, problem: str) -> None:
    with pytest.raises(InputError) as caught:
        parse("--shard", text, index)

    assert problem in str(caught.value)
    assert "Write K/N with K from 1 to N" in str(caught.value)


@given(st.text(max_size=12), st.text(max_size=5))
def test_any_text_is_a_shard_or_an_input_error(text: str, index: str) -> None:
    try:
        found = parse("--shard", text, index)
    except InputError:
        return
    assert 1 <= found.number <= found.count
