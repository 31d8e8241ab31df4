"""Configs in the installer's shape, booted as a user's own, up to kubelet and a pod."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from installer_bootstrap import INSTALLERS, POD, Installer, bootstrap_ign, single_node_ign

from harness.cluster.release_payload import ReleasePayload
from harness.model.clock import Deadline, NotYet, wait_for
from harness.model.errors import ProductError
from harness.model.run_folder import MACHINE_RECORD
from harness.model.way import Way
from harness.node.readiness import LEVELS, READY_S
from harness.player.applied import AppliedNode
from harness.player.inputs import Inputs, Rig
from harness.player.player import play
from harness.scenarios.catalogue import Catalogue
from harness.verdict import expectations
from harness.verdict.findings import Finding, judge
from harness.verdict.passage import Passage
from harness.verdict.rows import applies

pytestmark = pytest.mark.nightly


@pytest.fixture
def release(node_image_inputs: Inputs) -> ReleasePayload:
    found = node_image_inputs.release()
    assert found is not None, "these are the stand-ins"
    return found


def with_single_node(given: Inputs, release: ReleasePayload, disk: str) -> Inputs:
    document = single_node_ign(release, given.pull_spec, given.pause_image, disk)
    return replace(given, bootstrap_ignition=document)


@pytest.mark.parametrize("installer", INSTALLERS, ids=lambda installer: installer.release)
def test_installers_config_makes_a_node(
    installer: Installer,
    node_image_rig: Rig,
    node_image_inputs: Inputs,
    release: ReleasePayload,
    guest_deadline: Callable[[float], Deadline],
) -> None:
    inputs = replace(node_image_inputs, bootstrap_ignition=bootstrap_ign(release, installer))

    with play(Catalogue().named("ipi_bootstrap"), node_image_rig, inputs) as nodes:
        node = nodes.only
        reached = [level.reach(node.session, guest_deadline(READY_S)) for level in LEVELS]
        _wait_for_bootkube(node, guest_deadline(READY_S))

    node_image_rig.report("\n".join(reached))
    passage = Passage(before=node.before, after=node.after, boots=node.watch.boots)
    found = _judged(passage)
    assert not found, "\n".join(finding.render() for finding in found)
    record = _record(node_image_rig, "ipi_bootstrap")
    assert release.release_pull_spec in record["installer"]
    assert ("KillMode=none" in record["installer"]) is installer.is_finish_spared
    assert ("sshd restarted" in record["installer"]) is installer.restarts_sshd
    assert installer.live in record["installer"]
    assert [one["rule"] for one in record["sightings"]] == []
    assert "missing" not in record["installer"]
    assert {"overlay-pull", "overlay-apply", "login"} <= _ended(record)


def test_installers_single_node_config_makes_a_node(
    node_image_rig: Rig,
    node_image_inputs: Inputs,
    release: ReleasePayload,
    guest_deadline: Callable[[float], Deadline],
) -> None:
    inputs = with_single_node(node_image_inputs, release, "/dev/vda")

    with play(Catalogue().named("sno"), node_image_rig, inputs) as nodes:
        node = nodes.only
        reached = [level.reach(node.session, guest_deadline(READY_S)) for level in LEVELS]

    node_image_rig.report("\n".join(reached))
    found = _judged(
        Passage(
            before=node.before, after=node.after, way=Way.PIVOT, boots=node.watch.boots, reboots=2,
            digest=inputs.node_image.digest,
        )
    )  # fmt: skip
    assert not found, "\n".join(finding.render() for finding in found)
    record = _record(node_image_rig, "sno")
    assert "installs to /dev/vda" in record["installer"]
    assert record["memory_peaks_mib"]["/var/ostreecontainer"] > 0
    assert {"install", "reboot", "pivot"} <= _ended(record)


def test_single_node_config_for_another_disk_is_reported(
    node_image_rig: Rig, node_image_inputs: Inputs, release: ReleasePayload
) -> None:
    inputs = with_single_node(node_image_inputs, release, "/dev/sdz")

    with (
        pytest.raises(ProductError, match="installs to /dev/sdz, and this machine has /dev/vda"),
        play(Catalogue().named("sno"), node_image_rig, inputs),
    ):
        pass


def _judged(passage: Passage) -> list[Finding]:
    rows = [row for row in expectations.load("stand-in").rows if applies(row, passage.way)]
    return [finding for row in rows if (finding := judge(row, passage)) is not None]


def _record(rig: Rig, name: str) -> dict[str, Any]:
    newest = max(rig.evidence.glob(f"{name}*/{MACHINE_RECORD}"), key=_written)
    record: dict[str, Any] = json.loads(newest.read_text())
    return record


def _ended(record: dict[str, Any]) -> set[str]:
    phases = record["phases"]
    return {phase["name"] for phase in phases if phase["end_s"] is not None}


def _wait_for_bootkube(node: AppliedNode, deadline: Deadline) -> None:
    def is_done() -> None:
        asked = node.session.run("journalctl --unit=bootkube --lines=3 --output=cat", deadline)
        if "bootkube.service complete" not in asked.stdout:
            raise NotYet(asked.stdout)

    wait_for(f"bootkube to see {POD}", is_done, deadline, 2.0)


def _written(path: Path) -> float:
    return path.stat().st_mtime
