"""The main job: the node after live-apply, held to the expectation table, and its kubelet ready.

By default on the stand-in images; with `--bootimage` and `--node-image` on real ones.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from testinfra.host import Host

from harness.model.clock import Deadline
from harness.node.readiness import Level, reach_new_session
from harness.node.ssh import Session
from harness.verdict.rows import FileRow, InvariantRow, OsReleaseRow, PackageRow, UnitRow

CONNECT_S = 60.0


def test_package(verdict: Callable[..., None], package_row: PackageRow) -> None:
    verdict(package_row)


def test_os_release(verdict: Callable[..., None], os_release_row: OsReleaseRow) -> None:
    verdict(os_release_row)


def test_file(verdict: Callable[..., None], file_row: FileRow) -> None:
    verdict(file_row)


def test_unit(verdict: Callable[..., None], unit_row: UnitRow) -> None:
    verdict(unit_row)


def test_invariant(verdict: Callable[..., None], invariant_row: InvariantRow) -> None:
    verdict(invariant_row)


def test_readiness(reach: Callable[[Level], str], readiness_level: Level) -> None:
    reach(readiness_level)


def test_new_ssh_session_works(
    node_session: Session, guest_deadline: Callable[[float], Deadline]
) -> None:
    reach_new_session(node_session, guest_deadline(CONNECT_S))


@pytest.mark.parametrize("name", ["openshift-kubelet", "openshift-clients"])
def test_host_finds_package_of_the_node_layer(host: Host, name: str) -> None:
    assert host.package(name).is_installed


def test_first_boot_stamp_is_cleared(host: Host) -> None:
    assert not host.file("/boot/ignition.firstboot").exists


def test_usr_is_read_only(host: Host) -> None:
    assert "ro" in host.check_output("findmnt --noheadings --output OPTIONS /usr").split(",")


def test_host_runs_the_client_of_the_node_layer(host: Host) -> None:
    assert host.run("oc version --client").rc == 0
