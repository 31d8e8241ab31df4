"""Installation parity: what differs between two end states, and what of it may."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from node_states import AFTER as THIN
from node_states import with_mount, with_unit

from harness.model.errors import InputError
from harness.model.node_state import NodeState
from harness.model.packages.nevra import Nevra
from harness.verdict.parity import compare, load, table


def without_package(state: NodeState, name: str) -> NodeState:
    left = {key: value for key, value in state.packages.items() if key != name}
    return dataclasses.replace(state, packages=left)


def test_a_state_is_at_par_with_itself() -> None:
    assert compare(THIN, THIN, load()) == ()


@pytest.mark.parametrize(
    "thin",
    [
        with_mount(THIN, "/usr/lib/modules"),
        with_mount(THIN, "/var/ostreecontainer"),
        with_unit(THIN, "usr-lib-modules.mount", "active"),
        with_unit(THIN, "node-image-overlay.service", "active"),
        with_unit(THIN, "anything.service", "inactive"),
        with_unit(THIN, "run-containers-x.mount", "active"),
        with_mount(THIN, "/run/containers/x"),
    ],
)
def test_what_the_contract_names_may_differ(thin: NodeState) -> None:
    assert all(difference.source for difference in compare(thin, THIN, load()))


@pytest.mark.parametrize(
    ("thin", "name"),
    [
        (without_package(THIN, "runc"), "packages runc"),
        (dataclasses.replace(THIN, os_release={**THIN.os_release, "ID": "x"}), "os-release ID"),
        (dataclasses.replace(THIN, kernel="6.2"), "kernel release"),
        (with_unit(THIN, "kubelet.service", "failed"), "units kubelet.service"),
        (with_unit(THIN, "run-my.service", "active"), "units run-my.service"),
        (with_unit(THIN, "opt.mount", "active"), "units opt.mount"),
        (with_mount(THIN, "/opt"), "mounts /opt"),
        (dataclasses.replace(THIN, dangling_links=frozenset({"/etc/x -> y"})), "/etc/x -> y"),
        (dataclasses.replace(THIN, existing_paths=frozenset()), "paths /usr/bin/oc"),
    ],
)
def test_what_it_does_not_name_may_not(thin: NodeState, name: str) -> None:
    found = compare(thin, THIN, load())

    assert any(name in f"{d.section} {d.name}" for d in found if d.source is None)


@pytest.mark.parametrize(
    ("command", "section"),
    [("packages", "packages"), ("dangling", "dangling links"), ("units", "units")],
)
@pytest.mark.parametrize("both", [True, False])
def test_failed_snapshot_is_no_evidence_of_parity(command: str, section: str, both: bool) -> None:
    failure = f"{command}: it ended with status 1"
    failed = dataclasses.replace(THIN, packages={}, units={}, problems=(failure,))

    found = compare(failed, failed if both else THIN, load())

    (difference,) = (d for d in found if d.section == section)
    assert (difference.thin, difference.fat) == (failure, failure if both else "-")
    assert difference.source is None


def test_findings_come_first_in_the_table_with_both_sides() -> None:
    runc = Nevra(name="runc", epoch=0, version="9", release="1", arch="x86_64")
    other = with_mount(THIN, "/usr")
    thin = dataclasses.replace(other, packages={**other.packages, "runc": (runc,)})

    lines = table(compare(thin, THIN, load())).splitlines()

    assert lines[0].split() == [
        "what",
        "bare",
        "bootimage",
        "fat",
        "bootimage",
        "why",
        "it",
        "may",
        "differ",
    ]
    assert lines[1].startswith("packages runc")
    assert "runc-9-1" in lines[1]
    assert lines[1].endswith("IT MAY NOT")
    assert "mounts /usr" in lines[2]


def test_the_deployments_own_checksum_is_no_difference() -> None:
    (booted,) = THIN.deployments
    other = dataclasses.replace(booted, checksum="f" * 64)
    thin = with_mount(THIN, "/etc", f"/ostree/deploy/x/{booted.checksum}.0/etc")
    fat = dataclasses.replace(THIN, deployments=(other,))

    fat = with_mount(fat, "/etc", f"/ostree/deploy/x/{other.checksum}.0/etc")

    assert not [d for d in compare(thin, fat, load()) if d.name == "/etc"]


def test_malformed_allowance_is_reported_with_its_place(tmp_path: Path) -> None:
    path = tmp_path / "parity.toml"
    path.write_text('[[may_differ]]\nname = "a"\nsection = "units"\n')

    with pytest.raises(InputError, match=r"\[\[may_differ\]\] number 1 \(a\): .* `source`"):
        load(path)


def test_deployment_that_is_kept_is_not_one_that_is_booted() -> None:
    (booted,) = THIN.deployments
    thin = dataclasses.replace(THIN, deployments=(dataclasses.replace(booted, is_booted=False),))

    found = [d for d in compare(thin, THIN, ()) if d.section == "deployments"]

    assert [(d.thin, d.fat) for d in found] == [("kept", "booted")]
