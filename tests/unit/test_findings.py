"""Each kind of row is green and red on snapshots that show it."""

from __future__ import annotations

import dataclasses
import datetime

import pytest
from node_states import AFTER, BEFORE, with_os_release, with_unit

from harness.model.node_state import NodeState
from harness.model.packages.nevra import Nevra
from harness.model.way import Way
from harness.verdict.expectations import load
from harness.verdict.findings import Finding, judge
from harness.verdict.passage import Passage
from harness.verdict.rows import (
    FileRow,
    Invariant,
    InvariantRow,
    Layer,
    OsReleaseRow,
    PackageRow,
    Row,
    UnitRow,
    applies,
)
from harness.verdict.scope import Bound

S = "here"
COREOS, NODE = Layer.COREOS, Layer.NODE


def invariant(name: Invariant) -> InvariantRow:
    return InvariantRow(name=name, source=S)


TABLE = load("stand-in").rows


def rows_on(way: Way) -> list[Row]:
    return [row for row in TABLE if applies(row, way)]


@pytest.mark.parametrize(
    "row", rows_on(Way.LIVE_APPLY), ids=lambda row: f"{row.test_kind}-{row.id}"
)
def test_good_live_apply_meets_the_whole_table(row: Row) -> None:
    assert judge(row, Passage(before=BEFORE, after=AFTER)) is None


@pytest.mark.parametrize("row", rows_on(Way.NONE), ids=lambda row: f"{row.test_kind}-{row.id}")
def test_fat_bootimage_that_stays_as_it_is_meets_the_whole_table(row: Row) -> None:
    # The state after live-apply is that of a fat bootimage from the start.
    assert judge(row, Passage(before=AFTER, after=AFTER, way=Way.NONE)) is None


def test_fat_bootimage_without_a_package_of_the_node_layer_is_reported() -> None:
    row = PackageRow(name="runc", layer=NODE, source=S)

    finding = judge(row, Passage(before=BEFORE, after=AFTER, way=Way.NONE))

    assert finding is not None
    assert "before: absent" in finding.observed
    assert finding.expected == "package runc present in the bootimage and in the node"


def test_what_live_apply_does_is_not_asked_of_a_pivot() -> None:
    ids = {way: {row.id for row in rows_on(way)} for way in Way}

    assert ids[Way.LIVE_APPLY] - ids[Way.PIVOT] == {
        "boot-id-unchanged", "kernel-unchanged", "usr-is-overlaid", "modules-kept",
    }  # fmt: skip
    assert ids[Way.PIVOT] - ids[Way.LIVE_APPLY] == {"node-image-is-booted", "bootimage-is-kept"}
    assert ids[Way.NONE] - ids[Way.LIVE_APPLY] == {"nothing-changed"}
    assert "no-additional-reboots" in ids[Way.PIVOT] & ids[Way.LIVE_APPLY] & ids[Way.NONE]


KEY = "OPENSHIFT_VERSION"
# row, before, after, part of what is observed; None where the row holds
CASES: list[tuple[str, Row, NodeState, NodeState, str | None]] = [
    ("node package came", PackageRow(name="runc", layer=NODE, source=S), BEFORE, AFTER, None),
    (
        "node package missing",
        PackageRow(name="cri-o", layer=NODE, source=S), BEFORE, AFTER,
        "before: absent; after: absent",
    ),
    (
        "node package was there before",
        PackageRow(name="runc", layer=NODE, source=S), AFTER, AFTER,
        "before: runc-1.1.5-1.x86_64",
    ),
    ("coreos package kept", PackageRow(name="jq", layer=COREOS, source=S), BEFORE, AFTER, None),
    (
        "coreos package only came with the node layer",
        PackageRow(name="runc", layer=COREOS, source=S), BEFORE, AFTER,
        "before: absent; after: runc",
    ),
    (
        "absent package is absent",
        PackageRow(name="cri-o", layer=COREOS, source=S, absent=True), BEFORE, AFTER, None,
    ),
    (
        "absent package is there",
        PackageRow(name="jq", layer=NODE, source=S, absent=True), BEFORE, AFTER, "after: jq-1.6",
    ),
    (
        "package that goes with the node layer",
        PackageRow(name="runc", layer=NODE, source=S, absent=True), AFTER, BEFORE, None,
    ),
    (
        "package by pattern",
        PackageRow(name="linux-image-*", layer=COREOS, source=S), BEFORE, AFTER, None,
    ),
    (
        "package by pattern missing",
        PackageRow(name="kernel-*", layer=COREOS, source=S), BEFORE, AFTER, "after: absent",
    ),
    ("field equals", OsReleaseRow(key="ID", layer=COREOS, equals="rhel", source=S), BEFORE, AFTER,
     None),
    (
        "field differs after",
        OsReleaseRow(key="ID", layer=COREOS, equals="rhel", source=S),
        BEFORE, with_os_release(AFTER, ID="rhcos"), "before: 'rhel'; after: 'rhcos'",
    ),
    (
        "field differs before",
        OsReleaseRow(key="ID", layer=COREOS, equals="rhel", source=S),
        with_os_release(BEFORE, ID="rhcos"), AFTER, "before: 'rhcos'",
    ),
    (
        "pattern has to fit the whole value",
        OsReleaseRow(key="VERSION_ID", layer=COREOS, matches="9", source=S), BEFORE, AFTER,
        "after: '9.6'",
    ),
    (
        "pattern fits",
        OsReleaseRow(key="VERSION_ID", layer=COREOS, matches=r"9\.\d", source=S), BEFORE, AFTER,
        None,
    ),
    (
        "pattern of a field that is missing",
        OsReleaseRow(key="NONE", layer=COREOS, matches=".*", source=S), BEFORE, AFTER,
        "before: absent; after: absent",
    ),
    ("node field came", OsReleaseRow(key=KEY, layer=NODE, equals="4.19", source=S), BEFORE, AFTER,
     None),
    (
        "node field was there before",
        OsReleaseRow(key=KEY, layer=NODE, equals="4.19", source=S), AFTER, AFTER, "before: '4.19'",
    ),
    (
        "node field missing",
        OsReleaseRow(key=KEY, layer=NODE, equals="4.19", source=S), BEFORE, BEFORE,
        "before: absent; after: absent",
    ),
    ("absent field is absent",
     OsReleaseRow(key="RHEL_VERSION", layer=COREOS, absent=True, source=S), BEFORE, AFTER, None),
    (
        "absent field is there",
        OsReleaseRow(key=KEY, layer=COREOS, absent=True, source=S), BEFORE, AFTER, "after: '4.19'",
    ),
    (
        "field that is to go is there after",
        OsReleaseRow(key=KEY, layer=NODE, absent=True, source=S), BEFORE, AFTER, "after: '4.19'",
    ),
    (
        "field that goes is absent after",
        OsReleaseRow(key=KEY, layer=NODE, absent=True, source=S), AFTER, BEFORE, None,
    ),
    ("unit active", UnitRow(name="kubelet.service", layer=NODE, source=S), BEFORE, AFTER, None),
    (
        "unit not active",
        UnitRow(name="kubelet.service", layer=NODE, source=S), BEFORE,
        with_unit(AFTER, "kubelet.service", "activating", "auto-restart", restarts=4),
        "after: kubelet.service is activating/auto-restart, restarted 4 times",
    ),
    (
        "unit not loaded",
        UnitRow(name="rpc-statd.service", layer=NODE, source=S), BEFORE, AFTER,
        "after: rpc-statd.service is not loaded",
    ),
    (
        "node unit was active before",
        UnitRow(name="kubelet.service", layer=NODE, source=S), AFTER, AFTER,
        "before: kubelet.service is active/running",
    ),
    (
        "coreos unit may still start before",
        UnitRow(name="sshd.service", layer=COREOS, source=S),
        with_unit(BEFORE, "sshd.service", "activating"), AFTER, None,
    ),
    (
        "sub state differs",
        UnitRow(name="sshd.service", layer=COREOS, sub="exited", source=S), BEFORE, AFTER,
        "after: sshd.service is active/running",
    ),
    ("sub state fits", UnitRow(name="sshd.service", layer=COREOS, sub="running", source=S),
     BEFORE, AFTER, None),
    ("node file came", FileRow(path="/usr/bin/oc", layer=NODE, source=S), BEFORE, AFTER, None),
    (
        "node file missing",
        FileRow(path="/usr/bin/crio", layer=NODE, source=S), BEFORE, AFTER, "after: absent",
    ),
    (
        "coreos file missing before",
        FileRow(path="/usr/bin/oc", layer=COREOS, source=S), BEFORE, AFTER,
        "before: absent; after: /usr/bin/oc",
    ),
    (
        "forbidden file is there",
        FileRow(path="/usr/bin/oc", layer=NODE, present=False, source=S), BEFORE, AFTER,
        "after: /usr/bin/oc",
    ),
]  # fmt: skip


@pytest.mark.parametrize(
    ("row", "before", "after", "observed"),
    [case[1:] for case in CASES],
    ids=[case[0] for case in CASES],
)
def test_row(row: Row, before: NodeState, after: NodeState, observed: str | None) -> None:
    finding = judge(row, Passage(before=before, after=after))

    if observed is None:
        assert finding is None
    else:
        assert finding is not None
        assert observed in finding.observed


@pytest.mark.parametrize(
    ("row", "section"),
    [
        (invariant(Invariant.NO_NEW_AVC), "avc"),
        (invariant(Invariant.NO_DANGLING_LINKS), "dangling"),
        (invariant(Invariant.NO_NEW_FAILED_UNITS), "units"),
        (PackageRow(name="cri-o", layer=NODE, absent=True, source=S), "packages"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_silence_of_a_failed_command_is_no_evidence(row: Row, section: str) -> None:
    failed = dataclasses.replace(AFTER, problems=(f"{section}: it ended with status 4",))
    complained = dataclasses.replace(AFTER, problems=(f"{section}: warning: odd",))

    finding = judge(row, Passage(before=BEFORE, after=failed))

    assert finding is not None
    assert f"unknown, because the snapshot failed: {section}: it ended" in finding.observed
    assert judge(row, Passage(before=BEFORE, after=complained)) is None


def test_finding_renders_expected_observed_source_and_notes() -> None:
    row = PackageRow(name="openshift-kubelet", layer=NODE, source="enhancement:40")
    after = dataclasses.replace(AFTER, packages={}, problems=("packages: rpm: odd",))

    finding = judge(row, Passage(before=BEFORE, after=after))

    assert finding is not None
    assert finding.render().splitlines() == [
        "expected  package openshift-kubelet absent in the bootimage, present in the node",
        "observed  before: absent; after: absent",
        "source    enhancement:40 (openshift/enhancements, split-rhcos-into-layers.md)",
        "note      snapshot: packages: rpm: odd",
    ]


def test_package_installed_in_two_versions_shows_both() -> None:
    kernels = tuple(
        Nevra(name="k", epoch=0, version=v, release="1", arch="x86_64") for v in ("1", "2")
    )
    after = dataclasses.replace(AFTER, packages={"k": kernels})

    finding = judge(
        PackageRow(name="k", layer=NODE, absent=True, source=S), Passage(before=BEFORE, after=after)
    )

    assert isinstance(finding, Finding)
    assert "k-1-1.x86_64, k-2-1.x86_64" in finding.observed


BASE = Bound(date=datetime.date(2025, 2, 3), rhel="9.6")
LATER = Bound(date=datetime.date(2025, 2, 4))


@pytest.mark.parametrize(
    ("since", "until", "is_judged"),
    [
        (None, None, True),
        (BASE, None, True),
        (LATER, None, False),
        (None, BASE, False),
        (None, LATER, True),
        (Bound(ocp="4.19"), Bound(ocp="4.20"), True),
        (Bound(ocp="4.20"), None, False),
        (Bound(rhel="9.8"), None, False),
        (Bound(date=datetime.date(2025, 2, 3), rhel="9.8"), None, False),
    ],
)
def test_row_is_judged_within_its_bounds(
    since: Bound | None, until: Bound | None, is_judged: bool
) -> None:
    row = PackageRow(name="cri-o", layer=NODE, source=S, since=since, until=until)

    finding = judge(row, Passage(before=BEFORE, after=AFTER))

    assert (finding is not None) is is_judged


def test_bootimage_is_judged_within_its_own_bounds() -> None:
    row = PackageRow(name="runc", layer=COREOS, source=S, since=LATER)
    newer = "9.6.20250301-0"
    after = with_os_release(AFTER, OSTREE_VERSION=newer)

    assert judge(row, Passage(before=BEFORE, after=after, base_version=newer)) is None
    moved = with_os_release(BEFORE, OSTREE_VERSION=newer)
    assert judge(row, Passage(before=moved, after=after, base_version=newer)) is not None


def test_package_of_either_layer_is_asked_of_the_node_alone() -> None:
    row = PackageRow(name="runc", layer=Layer.EITHER, source=S)

    assert row.claim == "package runc present in the node"
    assert judge(row, Passage(before=BEFORE, after=AFTER)) is None
    assert judge(row, Passage(before=AFTER, after=AFTER)) is None
    assert judge(row, Passage(before=BEFORE, after=BEFORE)) is not None


def test_finding_shows_what_the_image_claims() -> None:
    row = OsReleaseRow(key=KEY, layer=NODE, equals="{ocp}", source=S)
    passage = Passage(before=BEFORE, after=AFTER, ocp=("4.20", "4.21"))

    finding = judge(row, passage)

    assert finding is not None
    assert finding.expected.startswith("os-release OPENSHIFT_VERSION equals '4.20 and 4.21'")
    assert judge(row, dataclasses.replace(passage, ocp=())) is None
