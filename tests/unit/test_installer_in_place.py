"""The installer's own config of a single node: what is added, and how the disk's config is made."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from scenario_fakes import KEYS, make_inputs, make_site

from harness import folders, process
from harness.guest.installers.variant import variant_of
from harness.model.clock import Deadline
from harness.model.errors import InputError
from harness.model.ignition import Config, Document, File, Unit, render

INSTALL = "coreos-installer install -n -i /opt/openshift/master.ign"
FOLLOW = folders.fixture("guest/install/node-image-harness-install")


def config(install: str = f"{INSTALL} /dev/vda") -> Document:
    script = f"if true; then\n  {install}\nfi\n"
    return Config(
        files=(
            File(path="/usr/local/bin/install-to-disk.sh", contents=script),
            File(path="/usr/local/bin/bootstrap-in-place.sh", contents="#"),
        ),
        units=(
            Unit(name="install-to-disk.service", contents="#"),
            Unit(name="bootkube.service", contents="#"),
        ),
    ).to_document()  # fmt: skip


def merged(tmp_path: Path, document: Document) -> dict[str, Any]:
    site = make_site(tmp_path, replace(make_inputs(), bootstrap_ignition=document), "sno")
    site.keys = KEYS
    result: dict[str, Any] = json.loads(render(site.config_of("node")))
    return result


def contents(document: dict[str, Any], path: str) -> str:
    (file,) = (file for file in document["storage"]["files"] if file["path"] == path)
    return base64.b64decode(file["contents"]["source"].partition(",")[2]).decode()


@pytest.mark.parametrize(
    ("install", "disk"),
    [
        (f"{INSTALL} /dev/vda", "/dev/vda"),
        (f"{INSTALL} --copy-network /dev/disk/by-id/wwn-0x5", "/dev/disk/by-id/wwn-0x5"),
        ("echo nothing", ""),
    ],
)
def test_disk_is_read_from_the_script(install: str, disk: str) -> None:
    variant = variant_of(config(install))

    assert variant.disk == disk
    assert (f"installs to {disk}" in str(variant)) is bool(disk)


def test_install_is_followed_and_stays_theirs(tmp_path: Path) -> None:
    document = config()
    units = {unit["name"]: unit for unit in merged(tmp_path, document)["systemd"]["units"]}

    unit = units["install-to-disk.service"]
    assert unit["contents"] == "#"
    (dropin,) = unit["dropins"]
    lines = dropin["contents"].splitlines()
    assert "ExecStart=/usr/local/bin/node-image-harness-install run /dev/vda" in lines
    assert lines.index("ExecStart=") == 1, "theirs is taken out first"
    assert "ExecStartPre=" not in dropin["contents"], "multi-user.target would wait for it"


def test_disk_gets_the_way_in_and_the_snapshot_over_the_reboot(tmp_path: Path) -> None:
    merged_config = merged(tmp_path, config())
    added = json.loads(contents(merged_config, "/etc/node-image-harness/installed.ign"))

    (user,) = added["passwd"]["users"]
    assert user["sshAuthorizedKeys"] == [KEYS.client.public]
    assert "/etc/containers/certs.d/10.0.2.2:5000/ca.crt" in {
        file["path"] for file in added["storage"]["files"]
    }
    units = {unit["name"]: unit for unit in added["systemd"]["units"]}
    reported = [
        dropin["contents"] for dropin in units["machine-config-daemon-firstboot.service"]["dropins"]
    ]
    assert any("OnFailure=node-image-harness-failed@%n.service" in text for text in reported)
    assert any("After=node-image-harness-before-pivot.service" in text for text in reported)
    assert "contents" not in units["machine-config-daemon-firstboot.service"]


def test_config_of_a_cluster_is_refused_before_a_machine_starts(tmp_path: Path) -> None:
    units = (Unit(name="bootkube.service", contents="#"),)

    with pytest.raises(
        InputError, match="a config for a bootstrap machine, but sno is a single node"
    ):
        merged(tmp_path, Config(units=units).to_document())


# --- the guest's part


class Guest:
    """A live system that stands in a folder, with the config of the cluster to be."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.theirs = folder / "openshift/master.ign"
        self.theirs.parent.mkdir()
        (folder / "node-image-harness").mkdir()
        (folder / "installed.ign").write_text('{"ours": 1}')
        self._program("node-image-harness-event", f'echo "$*" >>{folder}/reported')
        self._program("node-image-harness-memory", "echo in memory")
        self._program("install-to-disk.sh", f'echo "install" >>{folder}/reported')
        self._program("lsblk", "echo /dev/vda disk; echo /dev/sr0 rom")
        self._program("journalctl", "echo said one; echo said two")
        self._program("sleep", f"touch {folder}/openshift/.bootkube.done")

    def _program(self, name: str, text: str) -> None:
        (self.folder / name).write_text(f"#!/bin/sh\n{text}\n")
        (self.folder / name).chmod(0o755)

    @property
    def reported(self) -> list[str]:
        return (self.folder / "reported").read_text().splitlines()

    def run(self, *words: str, result: str = "", code: str = "exited") -> int:
        script = FOLLOW.read_text()
        for place, at in {
            "/opt/openshift": self.theirs.parent,
            "/etc/node-image-harness": self.folder,
            "/run/node-image-harness": self.folder / "node-image-harness",
            "/usr/local/bin": self.folder,
        }.items():
            script = script.replace(place, str(at))
        env = {"PATH": f"{self.folder}:/usr/bin:/bin", "SERVICE_RESULT": result, "EXIT_CODE": code}
        command = ("bash", "-c", script, "follow", *words)
        return process.run(command, Deadline.after(10), env=env, check=False).status


@pytest.fixture
def guest(tmp_path: Path) -> Guest:
    return Guest(tmp_path)


def test_both_configs_are_merged_by_ignition_once(guest: Guest) -> None:
    guest.theirs.write_text('{"theirs": 1}')

    assert guest.run("run") == 0
    assert guest.run("run") == 0

    document = json.loads(guest.theirs.read_text())
    sources = [one["source"] for one in document["ignition"]["config"]["merge"]]
    texts = [base64.b64decode(source.removeprefix("data:;base64,")) for source in sources]
    assert texts == [b'{"ours": 1}', b'{"theirs": 1}'], "the later one counts"
    assert guest.theirs.stat().st_mode & 0o777 == 0o600
    assert guest.reported == [
        "install started ",
        "install progress in memory",
        "install",
        "install",
    ]


def test_disk_that_is_missing_is_reported_at_once(guest: Guest) -> None:
    assert guest.run("run", "/dev/nowhere") == 1

    (reported,) = guest.reported
    assert reported.startswith(
        "install failed the config installs to /dev/nowhere, and this machine has /dev/vda:"
    )
    assert not (guest.theirs.parent / ".bootkube.done").exists()


def test_config_that_is_missing_fails_the_install(guest: Guest) -> None:
    assert guest.run("run") != 0
    assert "install" not in guest.reported


def test_end_of_the_install_is_reported(guest: Guest) -> None:
    guest.run("ended", result="success")

    assert guest.reported == ["install done the live system reboots into the installed one"]


def test_install_that_is_stopped_with_bootkube_is_neither_done_nor_failed(guest: Guest) -> None:
    for _ in range(4):
        guest.run("ended", result="success", code="killed")

    assert {line.split(";")[0] for line in guest.reported} == {
        "install progress stopped before its end"
    }


def test_failed_tries_are_reported_and_the_last_one_ends_it(guest: Guest) -> None:
    for _ in range(3):
        guest.run("ended", result="exit-code")

    assert [line.split(":")[0] for line in guest.reported] == [
        "install progress try 1 failed", "install progress try 2 failed",
        "install failed try 3 failed, result exit-code",
    ]  # fmt: skip
    assert "said one said two" in guest.reported[0]
