from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from harness import folders
from harness.images.acquire.digest import Sha256
from harness.images.acquire.disk_format import DiskFormat
from harness.images.bootimage import BootImage
from harness.lint import inventory
from harness.model.command import FILE_FOLDERS, FOLDERS
from harness.model.errors import RigError
from harness.model.ignition import render

REPORT = """\
%%os-release
NAME="Red Hat Enterprise Linux CoreOS"
VERSION="9.6.20250203-0 (Plow)"
OSTREE_VERSION='9.6.20250203-0'
%%programs
/usr/bin/bash
/usr/sbin/ip
/usr/libexec/openssh/sftp-server
/usr/local/bin/node-image-harness-inventory
%%units
sshd.service
node-image-harness-inventory.service
%%files
/etc/crio/crio.conf
/etc/sysctl.d
%%end
"""


@pytest.fixture
def bootimage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> BootImage:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    disk = tmp_path / "thin.qcow2"
    disk.write_bytes(b"disk")
    return BootImage(
        path=disk, format=DiskFormat.QCOW2, virtual_size_bytes=4, sha256=Sha256("a" * 64),
        origin="thin.qcow2",
    )  # fmt: skip


def test_the_guest_reports_what_it_has_without_the_harness_own() -> None:
    found = inventory.parse(REPORT)

    assert found.commands == {
        "/usr/bin/bash", "/usr/sbin/ip", "/usr/libexec/openssh/sftp-server",
    }  # fmt: skip
    assert found.version == "9.6.20250203-0"
    assert found.units == {"sshd.service"}
    assert found.files == {"/etc/crio/crio.conf", "/etc/sysctl.d"}
    assert found.os_release["NAME"] == "Red Hat Enterprise Linux CoreOS"


@pytest.mark.parametrize(
    ("path", "is_there"),
    [
        ("/etc/crio/crio.conf", True), ("/etc/crio", True), ("/etc/crio/", True),
        ("/etc/sysctl.d/", True), ("/etc/cri", False), ("/etc/crio/other", False),
    ],
)  # fmt: skip
def test_a_file_or_its_folder_is_there(path: str, *, is_there: bool) -> None:
    assert inventory.parse(REPORT).has_file(path) is is_there


def test_the_guest_looks_where_the_node_image_is_read() -> None:
    program = folders.fixture("guest/inventory").read_text()

    assert all(folder in program for folder in (*FOLDERS, *FILE_FOLDERS))


def test_events_before_and_after_do_not_matter() -> None:
    event = "stage=pull state=started uptime=1.00 detail=\n"

    assert inventory.parse(event + REPORT + event) == inventory.parse(REPORT)


@pytest.mark.parametrize(
    ("text", "version"),
    [
        (REPORT.replace("OSTREE_VERSION", "X"), "9.6.20250203-0 (Plow)"),
        (REPORT.replace("VERSION", "X"), ""),
    ],
)
def test_the_version_is_what_the_image_reports(text: str, version: str) -> None:
    assert inventory.parse(text).version == version


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (REPORT.removesuffix("%%end\n"), "is truncated after"),
        ("", "is truncated after"),
        ("%%os-release\n%%programs\n%%end\n", "list of programs is empty"),
    ],
)
def test_a_list_that_is_cut_or_empty_is_a_problem_of_the_rig(text: str, problem: str) -> None:
    with pytest.raises(RigError, match=problem):
        inventory.parse(text)


@pytest.mark.parametrize(
    ("command", "is_there"),
    [
        ("bash", True), ("/usr/bin/bash", True), ("/bin/bash", True), ("ip", True),
        ("/sbin/ip", True), ("/usr/libexec/openssh/sftp-server", True),
        ("sftp-server", False), ("oc", False), ("/bin/ip", False), ("./bash", False),
    ],
)  # fmt: skip
def test_a_command_is_there_where_the_path_or_the_search_path_leads(
    command: str, *, is_there: bool
) -> None:
    assert inventory.parse(REPORT).has(command) is is_there


def test_a_bootimage_that_was_asked_once_is_known(bootimage: BootImage) -> None:
    assert inventory.known(bootimage) is None

    found = inventory.parse(REPORT)
    inventory.keep(bootimage, found)

    assert inventory.known(bootimage) == found


@pytest.mark.parametrize("kept", ["", "\0" * 9, "[]", '{"commands": []}', '{"version": 1'])
def test_damaged_inventory_is_taken_anew(bootimage: BootImage, kept: str) -> None:
    inventory.keep(bootimage, inventory.parse(REPORT))
    (path,) = (folders.cache_dir() / "inventories").iterdir()
    path.write_text(kept)

    assert inventory.known(bootimage) is None


def test_inventory_that_cannot_be_kept_is_unknown_later(
    bootimage: BootImage, caplog: pytest.LogCaptureFixture
) -> None:
    (folders.cache_dir() / "inventories").touch()

    inventory.keep(bootimage, inventory.parse(REPORT))

    assert "inventory is not kept" in caplog.text
    assert inventory.known(bootimage) is None


def test_a_bootimage_is_known_by_its_digest_alone(bootimage: BootImage) -> None:
    found = inventory.parse(REPORT)
    inventory.keep(bootimage, found)

    moved = replace(bootimage, path=Path("/elsewhere/copy.qcow2"))
    changed = replace(bootimage, sha256=Sha256("b" * 64))

    assert inventory.known(moved) == found
    assert inventory.known(changed) is None


def test_the_config_enables_the_unit_and_brings_its_program() -> None:
    document = json.loads(render(inventory.config().to_document()))

    [unit] = document["systemd"]["units"]
    [program] = document["storage"]["files"]
    assert unit["enabled"] is True
    assert f"ExecStart={program['path']}\n" in unit["contents"]
    assert program["mode"] == 0o755
