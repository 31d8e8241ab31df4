"""The pull on a live system: its own repository in memory, what is kept of it, what is reported."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness import folders, process
from harness.model.clock import Deadline

PULL = folders.fixture("guest/node-image-pull")
MEMORY = folders.fixture("guest/node-image-harness-memory")
# Logs what it is asked, and makes the repository and the checkout.
OSTREE = """\
echo "$*" >>{folder}/asked
case "$1 $2" in
    "refs --repo={folder}/repo") echo ostree/container/image/docker_x;;
    init*) mkdir {folder}/repo;;
    checkout*) mkdir {folder}/checkout;;
esac
"""
PROGRAMS = {
    "rpm-ostree": "",
    "jq": "echo 9.6.1; echo c0ffee",
    "mount": 'echo "mount $*" >>{folder}/asked',
    "nm-online": "",
    "sleep": "exit 1",
    "df": 'echo Used; case "$3" in /run/ephemeral) echo 20;; *) echo 700;; esac',
    "mountpoint": '[ "$2" = {folder} ]',
    "ostree": OSTREE,
    "node-image-harness-event": 'echo "$*" >>{folder}/reported',
}


def placed(program: Path, folder: Path) -> str:
    """Return the script of `program`, for a live system that stands in `folder`."""
    script = program.read_text()
    for place in ("/usr/local/bin/", "/run/node-image-harness/", "/run/ostree-", "/proc/"):
        kept = place.rpartition("/")[2]
        script = script.replace(place, f"{folder}/{kept}")
    return script.replace("(/var/ostreecontainer ", f"({folder} ").replace(
        "in_memory=/var/ostreecontainer", f"in_memory={folder}"
    )


def pull(folder: Path, cmdline: str) -> None:
    """Run the script on a live system that stands in `folder`."""
    programs = {
        name: f"#!/bin/sh\n{text.format(folder=folder)}\n" for name, text in PROGRAMS.items()
    }
    programs[MEMORY.name] = placed(MEMORY, folder)
    for name, text in programs.items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    (folder / "cmdline").write_text(f"{cmdline}\n")
    (folder / "ostree-live").touch()
    for ref in ("ostree/container/blob/a", "ostree/0/1/0"):
        (folder / "booted/refs/heads" / ref).parent.mkdir(parents=True, exist_ok=True)
        (folder / "booted/refs/heads" / ref).touch()
    script = placed(PULL, folder)
    script = script.replace("booted_repo=/ostree/repo", f"booted_repo={folder}/booted")
    env = {
        "PATH": f"{folder}:/usr/bin:/bin", "NODE_IMAGE": "h/n@sha256:1", "PULL_TRIES": "1",
        "PULL_PAUSE_S": "0", "NETWORK_WAIT_S": "0",
    }  # fmt: skip
    process.run(("bash", "-c", script), Deadline.after(10), env=env)


def test_booted_commit_and_its_layers_are_taken_over(tmp_path: Path) -> None:
    pull(tmp_path, "coreos.liveiso=x")

    asked = (tmp_path / "asked").read_text()
    repo = f"--repo={tmp_path}/repo"
    assert f"init {repo} --mode=bare\n" in asked
    assert f"pull-local {repo} {tmp_path}/booted c0ffee ostree/container/blob/a\n" in asked
    assert f"container image pull {tmp_path}/repo " in asked
    assert f"coreos/node-image {tmp_path}/checkout\n" in asked


def test_etc_is_compared_where_ostree_looks_and_nothing_is_remounted(tmp_path: Path) -> None:
    pull(tmp_path, "coreos.liveiso=x")

    asked = (tmp_path / "asked").read_text().splitlines()
    (mounted,) = (line for line in asked if line.startswith("mount"))
    assert mounted.startswith("mount -o bind,ro /etc /ostree/deploy/")
    assert asked.index(mounted) < asked.index("admin config-diff")


@pytest.mark.parametrize(
    ("cmdline", "is_kept"),
    [("a coreos.liveiso=x b", False), ("coreos.live.rootfs_url=http://x", True)],
    ids=["medium", "network"],
)
def test_repository_goes_when_the_medium_can_be_read_again(
    tmp_path: Path, cmdline: str, is_kept: bool
) -> None:
    pull(tmp_path, cmdline)

    assert (tmp_path / "repo").exists() is is_kept
    assert (tmp_path / "checkout").exists()


def test_memory_peak_is_reported_at_the_end(tmp_path: Path) -> None:
    (tmp_path / "memory-peaks").write_text("900 10\n")

    pull(tmp_path, "coreos.liveiso=x")

    last = (tmp_path / "reported").read_text().splitlines()[-1]
    words = "memory peaks: /var/ostreecontainer 900 bytes, /run/ephemeral 20 bytes"
    assert last == f"checkout done {words}"


def memory_said(folder: Path, *words: str, mountpoint: str = "exit 0") -> str:
    programs = {
        "df": 'case "$3" in /run/ephemeral) echo 20;; *) echo 700;; esac',
        "mountpoint": mountpoint,
    }
    for name, text in programs.items():
        (folder / name).write_text(f"#!/bin/sh\n{text}\n")
        (folder / name).chmod(0o755)
    env = {"PATH": f"{folder}:/usr/bin:/bin"}
    command = ("bash", "-c", placed(MEMORY, folder), "memory", *words)
    return process.run(command, Deadline.after(10), env=env).stdout


def test_node_image_without_a_tmpfs_is_among_the_rest(tmp_path: Path) -> None:
    assert memory_said(tmp_path, "words") == "", "nothing was noted yet"

    memory_said(tmp_path, "note", mountpoint="exit 1")

    assert memory_said(tmp_path, "words") == (
        "memory peaks: /var/ostreecontainer 0 bytes, /run/ephemeral 20 bytes\n"
    )


def test_place_of_the_first_installers_counts(tmp_path: Path) -> None:
    memory_said(tmp_path, "note", mountpoint='[ "$2" = /var/ostree-container ]')

    assert "/var/ostreecontainer 700 bytes" in memory_said(tmp_path, "words")
