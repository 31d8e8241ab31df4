"""The text that `fixtures/guest/observe` prints becomes a snapshot, or a clear error."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from harness.folders import fixture
from harness.model.clock import Deadline
from harness.model.errors import RigError
from harness.model.node_state import SECTIONS, Deployment, Mount, parse
from harness.process import run

AFTER = fixture("transcripts/observe-after.txt").read_text()


def test_snapshot_has_every_section() -> None:
    state = parse(AFTER)

    assert state.boot_id == "7b8a9064-0795-429b-b3df-5768c9c672e1"
    assert state.kernel == "6.1.0-50-amd64"
    assert "ignition.platform.id=qemu" in state.cmdline
    assert state.os_release["OPENSHIFT_VERSION"] == "4.19"
    assert str(state.packages["openssh-server"][0]) == "openssh-server-1:9.2p1-2.x86_64"
    assert state.units["kubelet.service"].active == "active"
    assert state.existing_paths == {"/usr/bin/jq", "/usr/bin/kubelet", "/usr/bin/oc"}
    assert state.dangling_links == {"/etc/modules-load.d/modules.conf -> ../modules"}
    assert len(state.avcs) == 2
    assert state.deployments == (
        Deployment(
            checksum="0f1e2d3c4b5a69788796a5b4c3d2e1f0" * 2,
            version="9.6.20250203-0",
            is_booted=True,
        ),
    )
    assert state.problems == ()


def test_last_mount_of_a_mount_point_is_the_visible_one() -> None:
    state = parse(AFTER)

    assert state.mount_at("/usr") == Mount(
        mount_point="/usr", root="/ostree/repo/tmp/node-image/usr", device="254:3",
        fstype="ext4", source="/dev/vda3",
    )  # fmt: skip
    assert state.mount_at("/usr/bin") is None


def test_mount_points_with_blanks_are_read_unescaped() -> None:
    line = r"9 1 0:1 / /mnt/a\040b rw - tmpfs tmpfs rw"

    assert parse(AFTER.replace("%%mounts", f"%%mounts\n{line}")).mount_at("/mnt/a b")


def test_odd_separators_in_a_journal_line_do_not_split_it() -> None:
    text = AFTER.replace("%%avc", "%%avc\n[1.0] odd\x85%%kernel")

    assert "[1.0] odd\x85%%kernel" in parse(text).avcs


def test_packages_installed_twice_are_both_kept() -> None:
    text = AFTER.replace("%%packages", "%%packages\njq|0|1.7|1|x86_64")

    assert [p.version for p in parse(text).packages["jq"]] == ["1.7", "1.6"]


def test_errors_of_commands_are_problems() -> None:
    text = AFTER.replace("%%units", "%!packages: rpm: broken\n%%units")

    assert parse(text).problems == ("packages: rpm: broken",)
    assert parse(text).packages == parse(AFTER).packages


def test_image_without_ostree_has_no_deployments() -> None:
    head = AFTER.partition("%%deployments\n")[0]

    assert parse(f"{head}%%deployments\n%%end\n").deployments == ()


def test_booted_deployment_is_found_behind_others() -> None:
    state = parse(AFTER)
    (booted,) = state.deployments
    staged = replace(booted, checksum="f" * 64, is_booted=False)

    assert replace(state, deployments=(staged, booted)).booted == booted
    assert replace(state, deployments=(staged,)).booted is None


def test_truncated_snapshot_is_reported_with_its_last_line() -> None:
    with pytest.raises(RigError, match=r"%%end is missing: the last line is '%%avc'\. Look at"):
        parse("%%boot-id\n1\n%%avc\n")


def test_snapshot_of_errors_only_is_truncated() -> None:
    with pytest.raises(RigError, match="%%end is missing: it is empty"):
        parse("%!packages: rpm: broken\n")


@pytest.mark.parametrize("share", [0.0, 0.2, 0.5, 0.9])
def test_truncated_snapshot_is_refused(share: float) -> None:
    with pytest.raises(RigError, match="its line %%end is missing"):
        parse(AFTER[: int(len(AFTER) * share)])


@pytest.mark.parametrize("name", SECTIONS)
def test_missing_section_is_named(name: str) -> None:
    start = AFTER.index(f"%%{name}\n")
    rest = AFTER[AFTER.index("\n%%", start) + 1 :]

    with pytest.raises(RigError, match=rf"lacks the sections {name}\."):
        parse(AFTER[:start] + rest)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("%%kernel", "%%kernel\n6.1\n%%kernel", "unexpected section %%kernel"),
        ("%%kernel", "%%weather\nfair\n%%kernel", "unexpected section %%weather"),
        ("%%kernel", "%%kernel\nsecond", "%%kernel has 2 lines"),
        ("%%packages", "%%packages\nnonsense", "unexpected line"),
        ("%%mounts", "%%mounts\nnonsense", "mountinfo: unexpected line"),
        ("%%mounts", "%%mounts\n36 35 98:0 / /mnt - ext4 /dev/x rw", "mountinfo: unexpected line"),
        ("%%mounts", "%%mounts\n36 35 98:0 / /mnt rw - ext4", "mountinfo: unexpected line"),
        ('"deployments"', '"oddments"', "`rpm-ostree status --json`: unexpected output"),
        ('"deployments" :', '"deployments" : 3,', "`rpm-ostree status --json`: unexpected output"),
    ],
)
def test_unreadable_section_is_an_error(old: str, new: str, message: str) -> None:
    with pytest.raises(RigError, match=message):
        parse(AFTER.replace(old, new, 1))


COMMANDS = {
    "rpm": "echo 'jq|0|1.6|1|x86_64'; echo 'rpm: odd db' >&2; exit 3",
    "systemctl": """
        case $1 in
            list-units) echo 'kubelet.service loaded active running The kubelet'
                echo 'dev-x\\x2dy.mount not-found inactive dead dev-x\\x2dy.mount' ;;
            show) printf '%s\\n' "Id=${!#}" LoadState=loaded ActiveState=active SubState=running
                echo NRestarts=2 ;;
        esac""",
    "journalctl": "exit 1",
    "rpm-ostree": "echo '{\"deployments\": []}'",
}


def test_script_prints_what_the_parser_reads(tmp_path: Path) -> None:
    for name, body in COMMANDS.items():
        (tmp_path / name).write_text(f"#!/usr/bin/bash\n{body}\n")
        (tmp_path / name).chmod(0o755)
    paths = tmp_path / "paths"
    paths.write_text(f"/no/such\n{tmp_path}\n\n")

    script = fixture("guest/observe")
    done = run([script, paths], Deadline.after(20), env={"PATH": f"{tmp_path}:/usr/bin:/bin"})
    state = parse(done.stdout)

    assert state.existing_paths == {f"{tmp_path}"}
    assert list(state.packages) == ["jq"]
    assert state.problems == ("packages: rpm: odd db", "packages: packages ended with status 3")
    assert state.units["kubelet.service"].restarts == 2
    assert state.units[r"dev-x\x2dy.mount"].load == "not-found"
    assert state.avcs == ()
    assert done.stderr == ""
