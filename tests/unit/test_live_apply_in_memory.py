"""The pull on a live system: its own repository in memory, what is kept of it, what is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness import folders, process
from harness.model.clock import Deadline

PULL = folders.fixture("guest/node-image-pull")
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
    "df": "echo Used; echo 700; echo 20",
    "ostree": OSTREE,
    "node-image-harness-tell": 'echo "$*" >>{folder}/told',
}


def pull(folder: Path, cmdline: str) -> None:
    """Run the script on a live system that stands in `folder`."""
    for name, text in PROGRAMS.items():
        (folder / name).write_text(f"#!/bin/sh\n{text.format(folder=folder)}\n")
        (folder / name).chmod(0o755)
    (folder / "cmdline").write_text(f"{cmdline}\n")
    (folder / "ostree-live").touch()
    for ref in ("ostree/container/blob/a", "ostree/0/1/0"):
        (folder / "booted/refs/heads" / ref).parent.mkdir(parents=True, exist_ok=True)
        (folder / "booted/refs/heads" / ref).touch()
    script = PULL.read_text()
    for place in ("/usr/local/bin/", "/run/node-image-harness/", "/run/ostree-", "/proc/"):
        kept = place.rpartition("/")[2]
        script = script.replace(place, f"{folder}/{kept}")
    script = script.replace("/var/ostreecontainer", str(folder))
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


def test_what_lay_in_memory_at_most_is_told_at_the_end(tmp_path: Path) -> None:
    (tmp_path / "memory-peaks").write_text("900 10\n")

    pull(tmp_path, "coreos.liveiso=x")

    last = (tmp_path / "told").read_text().splitlines()[-1]
    assert last == f"checkout done memory peaks: {tmp_path} 900 bytes, /run/ephemeral 20 bytes"
