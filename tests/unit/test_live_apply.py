"""Live-apply as Ignition delivers it, and the scripts and units that it consists of."""

from __future__ import annotations

import configparser
import os
import stat
from dataclasses import dataclass
from pathlib import Path

import pytest

from harness import folders, process
from harness.guest.limits import Limits
from harness.guest.live_apply import BEFORE_OVERLAY, OBSERVE, live_apply, observation
from harness.machine.spec import EVENTS_PORT
from harness.model.clock import Deadline
from harness.model.ignition import Config, Unit

SPEC = "10.0.2.2:5000/node@sha256:abc"
GUEST = folders.fixture("guest")
SCRIPTS = sorted(path for path in GUEST.iterdir() if path.is_file())
CONFIG = live_apply(SPEC, Limits())


def _unit(name: str) -> Unit:
    return next(unit for unit in CONFIG.units if unit.name == name)


def _section(name: str, section: str) -> configparser.SectionProxy:
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string(str(_unit(name).contents))
    return parser[section]


def _paths(config: Config) -> dict[str, int]:
    return {file.path: file.mode for file in config.files}


def test_generator_and_programs_are_where_systemd_and_the_units_look() -> None:
    paths = _paths(CONFIG) | _paths(observation(()))
    text = "".join(str(unit.contents) for unit in CONFIG.units)

    assert paths["/etc/systemd/system-generators/node-image-overlay-generator"] == 0o755
    named = {word for word in text.replace("'", " ").split() if "/usr/local/bin/" in word}
    named = {word[word.index("/usr/local/bin/") :] for word in named}
    assert {paths[program.rstrip(";")] for program in named} == {0o755}


def test_only_the_report_of_multi_user_is_enabled() -> None:
    enabled = [unit.name for unit in CONFIG.units if unit.enabled]

    assert enabled == ["node-image-harness-multi-user.service"]


def test_target_waits_for_no_network() -> None:
    target = str(_unit("node-image-overlay.target").contents)

    assert "network" not in target
    for name in ("sshd.service", "node-image-overlay.service", "node-image-finish.service"):
        assert name in target


def test_pull_gets_image_limits_and_a_mount_namespace() -> None:
    (dropin,) = _unit("node-image-pull.service").dropins

    assert f'Environment="NODE_IMAGE={SPEC}"\n' in dropin.contents
    assert 'Environment="PULL_TRIES=3"\n' in dropin.contents
    assert "TimeoutStartSec=600\n" in dropin.contents
    assert _section("node-image-pull.service", "Service")["MountFlags"] == "slave"


def test_specifiers_of_systemd_in_a_pull_spec_are_escaped() -> None:
    unit = next(u for u in live_apply("h/a%2f", Limits()).units if "pull" in u.name)

    assert "NODE_IMAGE=h/a%%2f" in unit.dropins[0].contents


@pytest.mark.parametrize("name", ["pull", "overlay", "finish", "harness-before"])
def test_every_step_is_bounded_and_its_failure_is_reported(name: str) -> None:
    unit = f"node-image-{name}.service"

    assert "TimeoutStartSec=" in _unit(unit).dropins[0].contents
    reported = _section(unit, "Unit")["OnFailure"]
    assert reported == "node-image-harness-failed@%n.service"


def test_snapshot_comes_before_the_overlay_and_cannot_stop_it() -> None:
    overlay = _section("node-image-overlay.service", "Unit")

    assert overlay["Wants"] == "node-image-harness-before.service"
    assert "node-image-harness-before.service" in overlay["After"]
    assert overlay["Requires"] == "node-image-pull.service"
    before = _section("node-image-harness-before.service", "Service")["ExecStart"]
    assert OBSERVE in before
    assert BEFORE_OVERLAY in before


def test_being_stopped_by_its_own_isolate_is_not_a_failure_of_finish() -> None:
    finish = _section("node-image-finish.service", "Service")

    assert finish["SuccessExitStatus"] == "SIGTERM"
    assert "KillMode" not in finish


def test_limits_grow_with_a_slow_guest_but_tries_do_not() -> None:
    slow = Limits().scaled(4.0)

    assert (slow.pull_s, slow.step_s) == (4 * Limits().pull_s, 4 * Limits().step_s)
    assert (slow.tries, slow.pause_s) == (Limits().tries, Limits().pause_s)
    assert slow.live_apply_s == 4 * Limits().live_apply_s


def test_a_large_image_has_more_time_for_its_pull_alone() -> None:
    large = Limits().of_image(3_000_000_000)

    assert (large.pull_s, large.step_s) == (3000.0, Limits().step_s)
    assert Limits().of_image(76_000_000) == Limits()


def test_observed_paths_are_a_path_a_line() -> None:
    config = observation(("/usr/bin/oc", "/etc/a b"))
    (listing,) = (file for file in config.files if file.path == "/etc/node-image-harness/paths")

    assert listing.contents == "/usr/bin/oc\n/etc/a b\n"


def test_events_go_to_the_port_that_the_machine_has() -> None:
    assert f"/dev/virtio-ports/{EVENTS_PORT}\n" in (GUEST / "node-image-harness-event").read_text()


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_scripts_are_strict_executable_bash(script: Path) -> None:
    process.run(("bash", "-n", script), Deadline.after(10))

    text = script.read_text()
    assert text.startswith("#!/usr/bin/bash\n")
    assert "python" not in text.lower().replace("there is no\n# python", "")
    assert script.stat().st_mode & stat.S_IXUSR
    # The snapshot goes on whatever fails: that is its point.
    assert "\nset -euo pipefail\n" in text or script.name in ("inventory", "observe")


@pytest.mark.parametrize(("status", "linked"), [(1, True), (0, False)])
def test_generator_links_only_when_the_node_layer_is_missing(
    tmp_path: Path, status: int, linked: bool
) -> None:
    rpm = tmp_path / "rpm"
    rpm.write_text(f'#!/bin/sh\n[ "$*" = "--query openshift-clients" ] && exit {status}\nexit 9\n')
    rpm.chmod(0o755)
    env = {"PATH": f"{tmp_path}:/usr/bin:/bin"}

    generator = GUEST / "node-image-overlay-generator"
    process.run((generator, tmp_path, tmp_path, tmp_path), Deadline.after(10), env=env)

    link = tmp_path / "default.target"
    assert link.is_symlink() is linked
    if linked:
        assert str(link.readlink()) == "/etc/systemd/system/node-image-overlay.target"


@dataclass(frozen=True, slots=True, kw_only=True)
class Guest:
    """The folder that stands for the guest's paths, with programs that answer as they should."""

    folder: Path

    @classmethod
    def make(cls, folder: Path, answers: dict[str, str]) -> Guest:
        """Return a guest whose programs run the shell lines of `answers`."""
        report = f'echo "$*" >>{folder}/reported\n'
        for name, line in (answers | {"node-image-harness-event": report}).items():
            (folder / name).write_text(f"#!/bin/sh\n{line}\n")
            (folder / name).chmod(0o755)
        return cls(folder=folder)

    @property
    def reported(self) -> list[str]:
        """What the guest reported to the host, an event a line."""
        return (self.folder / "reported").read_text().splitlines()

    def run(self, name: str, *arguments: str) -> int:
        """Run a script of the guest's in the folder and return its status."""
        script = self.folder / "script"
        moved = (GUEST / name).read_text()
        for place in ("/usr/local/bin/", "/run/node-image-harness/"):
            moved = moved.replace(place, f"{self.folder}/")
        script.write_text(moved)
        env = {"PATH": f"{self.folder}:/usr/bin:/bin"} | PULL_ENVIRONMENT
        argv = ["bash", os.fspath(script), *arguments]
        return process.run(argv, Deadline.after(10), check=False, env=env).status


PULL_ENVIRONMENT = {
    "NODE_IMAGE": SPEC, "PULL_TRIES": "1", "PULL_PAUSE_S": "0", "NETWORK_WAIT_S": "0",
}  # fmt: skip
PULLING = {
    "rpm-ostree": "", "jq": "echo 9.6.1", "mount": "", "nm-online": "", "sleep": "exit 1",
    "ostree": 'case "$1" in refs) echo ostree/container/image/docker_x;; esac',
}  # fmt: skip


def _states(reported: list[str]) -> list[str]:
    return [" ".join(line.split()[:2]) for line in reported if "progress" not in line]


def test_pull_reports_the_pull_and_the_checkout(tmp_path: Path) -> None:
    guest = Guest.make(tmp_path, PULLING)

    assert guest.run("node-image-pull") == 0

    # Its unit reports that the pull has started.
    assert _states(guest.reported) == ["pull done", "checkout started", "checkout done"]


@pytest.mark.parametrize(("step", "stage"), [("container", "pull"), ("checkout", "checkout")])
def test_failure_is_reported_as_the_stage_that_failed(
    tmp_path: Path, step: str, stage: str
) -> None:
    failing = PULLING["ostree"].replace("esac", f"{step}) exit 1;; esac")
    answers = {"ostree": failing, "systemctl": "echo failed", "journalctl": "echo no space left"}
    guest = Guest.make(tmp_path, PULLING | answers)

    assert guest.run("node-image-pull") == 1
    assert guest.run("node-image-harness-failed", "node-image-pull.service") == 0

    assert _states(guest.reported)[-2:] == [f"{stage} log", f"{stage} failed"]
