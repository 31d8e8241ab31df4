"""Each invariant is green and red on snapshots that show it."""

from __future__ import annotations

import dataclasses

import pytest
from node_states import AFTER, BEFORE, with_mount, with_os_release, with_unit

from harness.model.node_state import Deployment, NodeState
from harness.model.way import Way
from harness.verdict.findings import judge
from harness.verdict.invariants import broken
from harness.verdict.passage import Passage
from harness.verdict.rows import Invariant, InvariantRow, applies

LIVE = Way.LIVE_APPLY


def avc(time: str, comm: str, perm: str = "read", level: str = "s0") -> str:
    return (
        f'[{time}] AVC avc:  denied  {{ {perm} }} for  pid={len(time)} comm="{comm}" ino=7 '
        f"scontext=system_u:system_r:a_t:{level} tcontext=system_u:object_r:b_t:s0 tclass=file"
    )


# invariant, before, after, part of what is seen; None where it holds
CASES: list[tuple[str, Invariant, NodeState, NodeState, str | None]] = [
    (
        "rebooted",
        Invariant.BOOT_ID_UNCHANGED, BEFORE,
        dataclasses.replace(AFTER, boot_id="other"), "after: other",
    ),
    (
        "other kernel",
        Invariant.KERNEL_UNCHANGED, BEFORE,
        dataclasses.replace(AFTER, kernel="6.2"), "kernel before: 6.1.0-50-amd64; after: 6.2",
    ),
    (
        "unit failed since",
        Invariant.NO_NEW_FAILED_UNITS, BEFORE,
        with_unit(AFTER, "new.service", "failed", "failed"), "new.service is failed/failed",
    ),
    (
        "unit had failed before",
        Invariant.NO_NEW_FAILED_UNITS, with_unit(BEFORE, "old.service", "failed"),
        with_unit(AFTER, "old.service", "failed"), None,
    ),
    (
        "unit that ran before failed since",
        Invariant.NO_NEW_FAILED_UNITS, with_unit(BEFORE, "old.service", "active"),
        with_unit(AFTER, "old.service", "failed"), "old.service is failed",
    ),
    (
        "way back killed by the isolate that it started",
        Invariant.NO_NEW_FAILED_UNITS, BEFORE,
        with_unit(AFTER, "node-image-finish.service", "failed", "failed", result="signal"), None,
    ),
    (
        "way back that failed by itself",
        Invariant.NO_NEW_FAILED_UNITS, BEFORE,
        with_unit(AFTER, "node-image-finish.service", "failed", "failed", result="exit-code"),
        "node-image-finish.service is failed/failed, result exit-code",
    ),
    (
        "clock that nobody set, on a host slow enough to see it",
        Invariant.NO_NEW_FAILED_UNITS, BEFORE,
        with_unit(AFTER, "chrony-wait.service", "failed", "failed", result="timeout"), None,
    ),
    (
        "pull and overlay stopped by the way back to multi-user",
        Invariant.NO_NEW_FAILED_UNITS, BEFORE,
        with_unit(AFTER, "node-image-overlay.service", "inactive", "dead"), None,
    ),
    (
        "same denial again",
        Invariant.NO_NEW_AVC, dataclasses.replace(BEFORE, avcs=(avc("1.0", "crio"),)),
        dataclasses.replace(AFTER, avcs=(avc("1.0", "crio"), avc("7.0", "crio", level="s0-s0:c1"))),
        None,
    ),
    (
        "denied to another program",
        Invariant.NO_NEW_AVC, dataclasses.replace(BEFORE, avcs=(avc("1.0", "crio"),)),
        dataclasses.replace(AFTER, avcs=(avc("1.0", "crio"), avc("2.0", "kubelet"))),
        'comm="kubelet"',
    ),
    (
        "another permission denied",
        Invariant.NO_NEW_AVC, dataclasses.replace(BEFORE, avcs=(avc("1.0", "crio"),)),
        dataclasses.replace(AFTER, avcs=(avc("2.0", "crio", "execmem"),)), "{ execmem }",
    ),
    (
        "denial that is cut off",
        Invariant.NO_NEW_AVC, BEFORE, dataclasses.replace(AFTER, avcs=("AVC avc:  denied",)),
        "AVC avc:  denied",
    ),
    (
        "link dangles since",
        Invariant.NO_DANGLING_LINKS, BEFORE,
        dataclasses.replace(AFTER, dangling_links=frozenset({"/opt/cni -> ../../usr/lib/opt/cni"})),
        "/opt/cni -> ../../usr/lib/opt/cni",
    ),
    (
        "nothing over usr",
        Invariant.USR_IS_OVERLAID, BEFORE, BEFORE, "/usr of /dev/vda3, as before",
    ),
    (
        "usr never a mount",
        Invariant.USR_IS_OVERLAID, dataclasses.replace(BEFORE, mounts=()),
        dataclasses.replace(AFTER, mounts=()), "no mount on /usr",
    ),
    ("modules of the node image", Invariant.MODULES_KEPT, BEFORE,
     with_mount(AFTER, "/usr/lib/modules", "/ostree/repo/tmp/node-image/usr/lib/modules"),
     "node-image/usr/lib/modules"),
    ("modules not mounted", Invariant.MODULES_KEPT, BEFORE, BEFORE,
     "after: no mount; booted: /ostree/deploy/rhel/deploy/0f1e.0/usr/lib/modules of device 254:3"),
    ("modules of a system without mounts", Invariant.MODULES_KEPT,
     dataclasses.replace(BEFORE, mounts=()), AFTER, "before: no mount on /"),
    ("modules of a system whose usr is no mount", Invariant.MODULES_KEPT,
     with_mount(dataclasses.replace(BEFORE, mounts=()), "/", "/"),
     with_mount(AFTER, "/usr/lib/modules", "/usr/lib/modules"), None),
    (
        "unit that starts again and again",
        Invariant.NO_RESTART_LOOP, BEFORE,
        with_unit(AFTER, "a.service", "activating", "auto-restart", restarts=2), "restarted 2",
    ),
    (
        "unit seen active between two deaths",
        Invariant.NO_RESTART_LOOP, BEFORE,
        with_unit(AFTER, "a.service", "active", "running", restarts=3), "restarted 3",
    ),
    (
        "unit that recovered",
        Invariant.NO_RESTART_LOOP, BEFORE,
        with_unit(AFTER, "a.service", "active", "running", restarts=2), None,
    ),
    (
        "restarts of before do not count",
        Invariant.NO_RESTART_LOOP, with_unit(BEFORE, "a.service", "active", restarts=9),
        with_unit(AFTER, "a.service", "active", restarts=9), None,
    ),
    (
        "restarts of another boot are not those of this one",
        Invariant.NO_RESTART_LOOP, with_unit(BEFORE, "a.service", "active", restarts=4),
        dataclasses.replace(with_unit(AFTER, "a.service", "active", restarts=6), boot_id="other"),
        "restarted 6",
    ),
    (
        "version of another build",
        Invariant.VERSION_INHERITED, BEFORE,
        with_os_release(AFTER, OSTREE_VERSION="9.6.20250204-0"),
        "after: 9.6.20250204-0; the base has 9.6.20250203-0",
    ),
    (
        "version id of another release",
        Invariant.VERSION_INHERITED, BEFORE, with_os_release(AFTER, VERSION_ID="4.19"),
        "but VERSION_ID is 4.19",
    ),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "before", "after", "seen"),
    [case[1:] for case in CASES],
    ids=[case[0] for case in CASES],
)
def test_invariant(name: Invariant, before: NodeState, after: NodeState, seen: str | None) -> None:
    found = broken(name, Passage(before=before, after=after))

    if seen is None:
        assert found is None
    else:
        assert found is not None
        assert seen in found


ON_LIVE_APPLY = [name for name in Invariant if applies(InvariantRow(name=name, source="s"), LIVE)]


@pytest.mark.parametrize("name", ON_LIVE_APPLY)
def test_every_invariant_holds_over_a_good_live_apply(name: Invariant) -> None:
    assert broken(name, Passage(before=BEFORE, after=AFTER)) is None


@pytest.mark.parametrize(
    ("boots", "reboots", "seen"),
    [
        (1, 0, None),
        (2, 1, None),
        (1, 1, None),
        (2, 0, "1; allowed: 0"),
        (4, 2, "reboots: 3"),
    ],
)
def test_one_reboot_more_than_the_scenario_has_is_too_many(
    boots: int, reboots: int, seen: str | None
) -> None:
    passage = Passage(before=BEFORE, after=AFTER, boots=boots, reboots=reboots)

    found = broken(Invariant.NO_ADDITIONAL_REBOOTS, passage)

    assert (found is None) if seen is None else seen in str(found)


DIGEST = f"sha256:{'a' * 64}"


def deployed(checksum: str, image_digest: str = "", *, is_booted: bool = False) -> Deployment:
    return Deployment(
        checksum=checksum * 64, version="9.6", is_booted=is_booted, image_digest=image_digest
    )


def pivoted(*after: Deployment) -> Passage:
    first = deployed("1", is_booted=True)
    return Passage(
        before=dataclasses.replace(BEFORE, deployments=(first,)),
        after=dataclasses.replace(AFTER, deployments=after), digest=DIGEST,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("after", "image", "kept"),
    [
        ((deployed("2", DIGEST, is_booted=True), deployed("1")), None, None),
        ((deployed("2", "sha256:b", is_booted=True), deployed("1")), "of sha256:b; exp", None),
        ((deployed("1", is_booted=True), deployed("2", DIGEST)), "no container image", "222222"),
        ((deployed("2", DIGEST, is_booted=True),), None, "besides the booted one: none"),
        ((), "no deployment of ostree's", "none"),
    ],
)
def test_pivot_boots_the_node_image_and_keeps_the_bootimage(
    after: tuple[Deployment, ...], image: str | None, kept: str | None
) -> None:
    passage = pivoted(*after)
    expected = {Invariant.NODE_IMAGE_IS_BOOTED: image, Invariant.BOOTIMAGE_IS_KEPT: kept}

    for name, seen in expected.items():
        found = broken(name, passage)
        assert (found is None) if seen is None else seen in str(found)


@pytest.mark.parametrize(
    ("taken", "way", "seen"),
    [
        (f"q/node@{DIGEST}", LIVE, None),
        ("q/node@sha256:list", LIVE, None),
        (DIGEST, Way.PIVOT, None),
        (None, LIVE, None),
        ("", Way.PIVOT, None),
        ("", LIVE, "no line `Target node image is ...` was seen"),
        ("q/node@sha256:b", LIVE, f"the node pulled q/node@sha256:b; under test is {DIGEST}"),
        ("q/node@sha256:b", Way.PIVOT, f"under test is {DIGEST}"),
        ("q/node:latest", LIVE, "the node pulled q/node:latest"),
    ],
)
def test_node_pulls_the_image_under_test(taken: str | None, way: Way, seen: str | None) -> None:
    passage = Passage(
        before=BEFORE, after=AFTER, way=way, digest=DIGEST, aliases=frozenset({"sha256:list"}),
        taken=taken,
    )  # fmt: skip

    found = broken(Invariant.NODE_IMAGE_IS_TAKEN, passage)

    assert (found is None) if seen is None else seen in str(found)


def test_fat_bootimage_that_changes_is_reported_with_all_changes() -> None:
    found = broken(Invariant.NOTHING_CHANGED, Passage(before=BEFORE, after=AFTER))

    assert found is not None
    assert "package came: containerd-" in found
    assert broken(Invariant.NOTHING_CHANGED, Passage(before=AFTER, after=AFTER)) is None
    renamed = with_os_release(AFTER, ID="rhcos")
    assert (
        broken(Invariant.NOTHING_CHANGED, Passage(before=AFTER, after=renamed)) == "os-release ID"
    )


def test_fat_bootimage_with_another_usr_is_reported() -> None:
    mounted = with_mount(AFTER, "/usr", "/elsewhere")

    found = broken(Invariant.NOTHING_CHANGED, Passage(before=AFTER, after=mounted))

    assert str(found).startswith("mounted on /usr: ")
    assert "/elsewhere" in str(found)


def test_bootimage_is_not_kept_where_none_was_booted() -> None:
    passage = Passage(
        before=dataclasses.replace(BEFORE, deployments=()),
        after=dataclasses.replace(AFTER, deployments=(deployed("2"),)),
    )  # fmt: skip

    found = broken(Invariant.BOOTIMAGE_IS_KEPT, passage)

    assert found == "before: no deployment of ostree's is booted"


def test_version_is_compared_with_the_base_that_the_image_names() -> None:
    row = InvariantRow(name=Invariant.VERSION_INHERITED, source="s")
    after = with_os_release(AFTER, OSTREE_VERSION="9.6.20250301-0")

    assert judge(row, Passage(before=BEFORE, after=after, base_version="9.6.20250301-0")) is None
    assert (
        judge(row, Passage(before=BEFORE, after=after, base_version="9.6.20250302-0")) is not None
    )


@pytest.mark.parametrize(("units", "last"), [(8, "and 3 more"), (5, "u4.service is failed/x")])
def test_long_observations_are_cut_with_a_count(units: int, last: str) -> None:
    after = AFTER
    for number in range(units):
        after = with_unit(after, f"u{number}.service", "failed")

    finding = broken(Invariant.NO_NEW_FAILED_UNITS, Passage(before=BEFORE, after=after))

    assert finding is not None
    assert finding.splitlines()[-1].strip() == last
    assert len(finding.splitlines()) == min(units, 6)
