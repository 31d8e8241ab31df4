"""Each released pair of OpenShift and RHEL is green, and red with any one thing off."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cache

import pytest
from contract_states import (
    COREOS_PACKAGES,
    NODE_FILES,
    NODE_UNITS,
    OVS,
    PAIRS,
    UNITS,
    Pair,
    with_package,
    without_package,
)
from node_states import with_unit

from harness.model.node_state import NodeState
from harness.verdict.choice import choose
from harness.verdict.findings import judge
from harness.verdict.passage import Passage
from harness.verdict.rows import Invariant, Row

on_every_pair = pytest.mark.parametrize("pair", PAIRS, ids=str)
KINDS = ("package", "os_release", "unit", "file")


@cache
def rows_of(pair: Pair) -> tuple[Row, ...]:
    return tuple(
        row
        for row in choose(pair.labels).rows
        if row.test_kind in KINDS or row.id == Invariant.VERSION_INHERITED
    )


def red(pair: Pair, passage: Passage, *kinds: str) -> list[str]:
    rows = (row for row in rows_of(pair) if not kinds or row.test_kind in kinds)
    return [row.id for row in rows if judge(row, passage) is not None]


@on_every_pair
def test_pair_is_green(pair: Pair) -> None:
    assert red(pair, pair.passage) == []


@on_every_pair
def test_pair_is_green_without_labels_of_openshift(pair: Pair) -> None:
    labels = {key: value for key, value in pair.labels.items() if key != "cpe"}
    rows = choose(labels).rows

    passage = replace(pair.passage, ocp=())
    found = [row.id for row in rows if row.test_kind in KINDS and judge(row, passage)]

    assert found == []


@pytest.mark.parametrize("base", ["10.4.20270301-0", "11.0.20280301-0"])
def test_openshift_that_no_table_is_for_is_green_and_said_to_be_unknown(base: str) -> None:
    pair = Pair(ocp="5.3", base=base, bootimage=base, ovs_in_base=True, ovs_in_bootimage=True)

    assert red(pair, pair.passage) == []
    assert "NO TABLE IS FOR 5.3" in choose(pair.labels).reason


OTHERS = {
    "VERSION": ("9.2.20250101-0 (Plow)", "9.6.20250101-0 (Coughlan)", "418.94.202410090804-0"),
    "VERSION_ID": ("4.19", "9.2", "10.4", "11"),
    "OSTREE_VERSION": ("9.2.20250101-0", "418.94.202410090804-0"),
    "OPENSHIFT_VERSION": ("4.17", "5.9", "9.6", "4.2", "4"),
    "ID": ("fedora", "rhcos-9"),
}


def os_releases(state: NodeState) -> Iterator[tuple[str, NodeState]]:
    for key, value in state.os_release.items():
        rest = {name: said for name, said in state.os_release.items() if name != key}
        yield f"no {key}", replace(state, os_release=rest)
        for other in (*OTHERS.get(key, ()), f"{value}x", ""):
            yield f"{key}={other}", replace(state, os_release={**rest, key: other})


@on_every_pair
def test_any_field_of_os_release_that_is_off_is_red(pair: Pair) -> None:
    good = pair.passage
    off = {f"after {name}": replace(good, after=state) for name, state in os_releases(good.after)}
    off |= {f"before {name}": replace(good, before=each) for name, each in os_releases(good.before)}
    off["before OPENSHIFT_VERSION"] = replace(
        good,
        before=replace(
            good.before, os_release={**good.before.os_release, "OPENSHIFT_VERSION": pair.ocp}
        ),
    )

    unseen = [name for name, each in off.items() if not red(pair, each, "os_release", "invariant")]

    assert unseen == []


@on_every_pair
def test_any_package_that_is_off_is_red(pair: Pair) -> None:
    good = pair.passage
    off = {
        f"after without {name}": replace(good, after=without_package(good.after, name))
        for name in good.after.packages
    }
    off |= {
        f"before without {name}": replace(good, before=without_package(good.before, name))
        for name in COREOS_PACKAGES
    }
    layer = set(good.after.packages) - set(good.before.packages) - {OVS}
    off |= {
        f"before with {name}": replace(good, before=with_package(good.before, name))
        for name in layer
    }

    assert [name for name, each in off.items() if not red(pair, each, "package")] == []


@pytest.mark.parametrize(
    "pair",
    [pair for pair in PAIRS if pair.ovs_in_base is pair.ovs_in_bootimage and not pair.is_okd],
    ids=str,
)
def test_networkmanager_ovs_is_of_the_layer_that_had_it_when_both_were_built(pair: Pair) -> None:
    good = pair.passage
    change, layer = (with_package, "node") if not pair.ovs_in_base else (without_package, "coreos")

    moved = replace(good, before=change(good.before, OVS))

    assert red(pair, moved) == [f"{layer}-{OVS}"]


@on_every_pair
def test_any_unit_or_file_that_is_off_is_red(pair: Pair) -> None:
    good = pair.passage
    off = [
        replace(good, after=with_unit(good.after, name, "failed")) for name in (*UNITS, *NODE_UNITS)
    ]
    off += [replace(good, before=with_unit(good.before, name, "active")) for name in NODE_UNITS]
    off += [
        replace(good, after=replace(good.after, existing_paths=NODE_FILES - {path}))
        for path in NODE_FILES
    ]

    assert all(red(pair, each, "unit", "file") for each in off)


def test_contradicting_claims_are_red() -> None:
    pair = PAIRS[2]

    assert red(pair, replace(pair.passage, ocp=("4.20", "4.21"))) == ["node-OPENSHIFT_VERSION"]
