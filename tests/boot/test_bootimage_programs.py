"""Hidden dependencies on the stand-ins: what a bootimage has, what the node image brings later."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from harness import process
from harness.guest.limits import Limits
from harness.guest.live_apply import live_apply, observation
from harness.images.acquire.cache import Cache
from harness.images.container import contents, node_image
from harness.images.container.contents import Contents
from harness.images.container.skopeo import Source
from harness.images.reference import parse as parse_reference
from harness.lint.command_lint import judge_readings, read_files
from harness.lint.inventory import Inventory
from harness.model.clock import Deadline
from harness.model.ignition import Config, File, Unit, render
from harness.standin import build
from harness.standin.build import StandIn

OWNER = Path(__file__).with_name("programs_owner.py")
LIMIT_S = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A bootimage that was asked twice: what it has, and where the evidence of the boot lies."""

    programs: Inventory
    evidence: Path
    again: Inventory


@pytest.fixture(scope="module")
def stand_in() -> StandIn:
    return build.ensure(Deadline.after(build.LIMIT_S), lambda _: None)


@pytest.fixture(scope="module")
def thin(stand_in: StandIn, tmp_path_factory: pytest.TempPathFactory) -> Asked:
    folder = tmp_path_factory.mktemp("inventory")
    first = _ask(stand_in.bootimage, folder)
    again = _ask(stand_in.bootimage, folder)
    return Asked(programs=first, evidence=folder / "evidence", again=again)


def _ask(disk: Path, folder: Path) -> Inventory:
    argv: list[str | Path] = [sys.executable, OWNER, disk, folder / "evidence"]
    path = os.pathsep.join(sys.path)
    env = {"XDG_CACHE_HOME": str(folder / "cache"), "PYTHONPATH": path}
    found = json.loads(process.run(argv, Deadline.after(LIMIT_S), env=env).stdout)
    lists = {name: frozenset(found[name]) for name in ("commands", "units", "files")}
    return Inventory(version=found["version"], os_release=found["os_release"], **lists)


@pytest.fixture(scope="module")
def node(stand_in: StandIn, tmp_path_factory: pytest.TempPathFactory) -> Contents:
    source = Source(reference=parse_reference(stand_in.node_image), arch="x86_64")
    limit = Deadline.after(LIMIT_S)
    image = node_image.resolve(source, limit)
    with Cache(tmp_path_factory.mktemp("contents")) as cache:
        return contents.contents_of(image, source, cache, limit)


def test_a_bare_bootimage_tells_its_programs_and_version(thin: Asked) -> None:
    there = {
        name for name in ("bash", "podman", "ostree", "jq", "/sbin/ip") if thin.programs.has(name)
    }
    later = {name for name in ("oc", "kubelet", "crictl") if thin.programs.has(name)}

    assert there == {"bash", "podman", "ostree", "jq", "/sbin/ip"}
    assert not later
    assert thin.programs.version.startswith("9.6.")
    assert not any("node-image-harness" in path for path in thin.programs.commands)


def test_a_bare_bootimage_reports_its_units_settings_and_os_release(thin: Asked) -> None:
    assert {"sshd.service", "NetworkManager.service", "basic.target"} <= thin.programs.units
    assert not {"crio.service", "kubelet.service"} & thin.programs.units
    assert thin.programs.has_file("/etc/passwd")
    assert thin.programs.os_release["ID"]
    assert "OPENSHIFT_VERSION" not in thin.programs.os_release


def test_it_is_booted_once(thin: Asked) -> None:
    assert thin.again == thin.programs
    assert [path.name for path in thin.evidence.iterdir()] == ["inventory"]


def test_the_node_image_names_the_packages_of_its_programs(node: Contents) -> None:
    assert node.which("oc") == ("/usr/bin/oc", "openshift-clients")
    assert node.which("/bin/kubelet") == ("/usr/bin/kubelet", "openshift-kubelet")
    assert node.package_of("crictl") == "cri-tools"
    assert node.package_of("bash") == "bash"
    assert node.which("nosuch") is None
    assert node.below("/usr/lib/systemd/system/crio.service")


def test_a_config_is_held_to_the_bootimage_and_told_the_packages(
    thin: Asked, node: Contents, tmp_path: Path
) -> None:
    unit = Unit(name="user.service", contents="[Service]\nExecStart=/usr/bin/oc get nodes\n")
    script = File(
        path="/usr/local/bin/user", contents="#!/bin/bash\npodman ps\ncrictl ps\n", mode=0o755
    )
    path = tmp_path / "user.ign"
    path.write_text(render(Config(units=(unit,), files=(script,)).to_document()))

    found = judge_readings(read_files([path]), thin.programs, node)

    assert [(miss.call.caller, miss.call.command, miss.package) for miss in found.missing] == [
        ("user.service", "/usr/bin/oc", "openshift-clients"),
        ("/usr/local/bin/user", "crictl", "cri-tools"),
    ]


def test_the_harness_own_config_calls_nothing_that_the_bootimage_lacks(
    thin: Asked, node: Contents, tmp_path: Path
) -> None:
    config = live_apply("registry.example/node@sha256:0", Limits())
    programs = observation(())
    path = tmp_path / "harness.ign"
    document = Config(
        files=(*config.files, *programs.files), units=(*config.units, *programs.units)
    ).to_document()
    path.write_text(render(document))

    assert not judge_readings(read_files([path]), thin.programs, node).exit_status
