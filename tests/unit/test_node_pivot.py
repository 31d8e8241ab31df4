"""The first boot's pivot as Ignition delivers it."""

from __future__ import annotations

import configparser
import json
import stat

import pytest

from harness import folders, process
from harness.guest.limits import Limits
from harness.guest.live_apply import OBSERVE
from harness.guest.pivot import BEFORE_PIVOT, ENCAPSULATED, pivot
from harness.model.clock import Deadline
from harness.model.ignition import Unit

SPEC = "10.0.2.2:5000/node@sha256:abc"
FIRSTBOOT = "machine-config-daemon-firstboot.service"
PULL = "machine-config-daemon-pull.service"
SNAPSHOT = "node-image-harness-before-pivot.service"
CONFIG = pivot(SPEC, Limits())
SCRIPTS = [
    folders.fixture(f"guest/pivot/{name}") for name in ("node-image-pivot", "node-image-pivot-pull")
]


def _unit(name: str) -> Unit:
    return next(unit for unit in CONFIG.units if unit.name == name)


def _values(name: str, section: str, key: str) -> list[str]:
    """Return the values of a key that a unit may have more than once."""
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.read_string(str(_unit(name).contents))
    assert parser.has_section(section)
    lines = str(_unit(name).contents).splitlines()
    return [line.partition("=")[2] for line in lines if line.startswith(f"{key}=")]


def test_the_encapsulated_config_names_the_image() -> None:
    (file,) = (file for file in CONFIG.files if file.path == ENCAPSULATED)

    assert isinstance(file.contents, str)
    document = json.loads(file.contents)
    assert (document["kind"], document["spec"]["osImageURL"]) == ("MachineConfig", SPEC)


@pytest.mark.parametrize("name", [PULL, FIRSTBOOT])
def test_units_run_in_a_first_boot_of_an_ostree_system_alone(name: str) -> None:
    conditions = _values(name, "Unit", "ConditionPathExists")

    assert {"/run/ostree-booted", ENCAPSULATED} <= {*conditions}


def test_nothing_that_runs_pods_starts_before_the_reboot() -> None:
    for key, section in (("Before", "Unit"), ("RequiredBy", "Install")):
        held = {name for line in _values(FIRSTBOOT, section, key) for name in line.split()}
        assert {"crio.service", "kubelet.service"} <= held
    assert _values(FIRSTBOOT, "Service", "Type") == ["oneshot"]
    assert SCRIPTS[0].read_text().endswith("\nsleep infinity\n")


def test_the_snapshot_of_before_is_taken_first_and_outlives_the_reboot() -> None:
    after = {name for line in _values(FIRSTBOOT, "Unit", "After") for name in line.split()}

    assert {PULL, SNAPSHOT} <= after
    assert _values(FIRSTBOOT, "Unit", "Wants") == [SNAPSHOT]
    (command,) = _values(SNAPSHOT, "Service", "ExecStart")
    assert OBSERVE in command
    assert BEFORE_PIVOT in command
    assert BEFORE_PIVOT.startswith("/var/lib/")


@pytest.mark.parametrize("name", [PULL, FIRSTBOOT, SNAPSHOT])
def test_every_step_is_bounded_and_its_failure_is_reported(name: str) -> None:
    assert "TimeoutStartSec=" in _unit(name).dropins[0].contents
    assert _values(name, "Unit", "OnFailure") == ["node-image-harness-failed@%n.service"]


def test_only_what_the_operator_enables_and_the_report_are_enabled() -> None:
    enabled = [unit.name for unit in CONFIG.units if unit.enabled]

    assert enabled == [PULL, FIRSTBOOT, "node-image-harness-multi-user.service"]


def test_every_program_that_a_unit_calls_is_delivered() -> None:
    paths = {file.path: file.mode for file in CONFIG.files}
    called = {
        line.partition("=")[2].lstrip("-").split()[0]
        for unit in CONFIG.units
        for line in str(unit.contents).splitlines()
        if line.startswith("ExecStart=") and "/usr/local/bin/" in line.split()[0]
    }

    assert called
    assert {paths[program] for program in called} == {0o755}


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_scripts_are_strict_executable_bash(script: object) -> None:
    process.run(("bash", "-n", str(script)), Deadline.after(10))

    path = next(one for one in SCRIPTS if one == script)
    assert path.read_text().startswith("#!/usr/bin/bash\n")
    assert "\nset -euo pipefail\n" in path.read_text()
    assert path.stat().st_mode & stat.S_IXUSR
