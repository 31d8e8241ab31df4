"""The stand-in's rpm-ostree, built and run on this host over a real ostree sysroot."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.model.clock import Deadline
from harness.process import run

SOURCE = Path(__file__).parents[2] / "fixtures" / "standin" / "tools" / "rpm-ostree.go"


@pytest.fixture(scope="session")
def command(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("tools") / "rpm-ostree"
    # Neither -trimpath nor -ldflags: they would compile the standard library anew.
    env = {"GO111MODULE": "off", "GOFLAGS": ""}
    run(["go", "build", "-o", target, SOURCE], Deadline.after(120), env=env)
    return target


def test_rpm_ostree_tells_the_deployments_of_a_sysroot(command: Path, tmp_path: Path) -> None:
    commit = deploy(tmp_path)

    argv = [str(command), "status", f"--sysroot={tmp_path}/sysroot"]
    (deployment,) = json.loads(run([*argv, "--json"], Deadline.after(10)).stdout)["deployments"]

    image = "ostree-unverified-image:docker://h/n"
    expected = {
        "osname": "coreos", "checksum": commit, "version": "9.6.1-0", "booted": False,
        "staged": False, "pinned": False, "timestamp": 86400, "container-image-reference": image,
    }  # fmt: skip
    assert expected.items() <= deployment.items()
    text = run(argv, Deadline.after(10)).stdout
    assert f"  {image}\n" in text
    assert "                  Version: 9.6.1-0 (1970-01-02T00:00:00Z)\n" in text


def deploy(folder: Path) -> str:
    """Make a sysroot with one deployment of an image, and return its commit."""
    modules = folder / "tree" / "usr" / "lib" / "modules" / "6.1"
    modules.mkdir(parents=True)
    (folder / "tree" / "usr" / "etc").mkdir()
    (modules / "vmlinuz").write_text("kernel")
    (folder / "tree" / "usr" / "lib" / "os-release").write_text("ID=x\nPRETTY_NAME=x\n")
    origin = folder / "image.origin"
    origin.write_text("[origin]\ncontainer-image-reference=ostree-unverified-image:docker://h/n\n")
    sysroot = f"--sysroot={folder}/sysroot"
    (folder / "sysroot").mkdir()

    def ostree(*args: str) -> str:
        # Otherwise root's deployment is immutable and pytest cannot remove it.
        env = {"OSTREE_SYSROOT_DEBUG": "mutable-deployments"}
        return run(["ostree", *args], Deadline.after(30), env=env).stdout.strip()

    ostree("admin", "init-fs", "--modern", f"{folder}/sysroot")
    ostree("admin", "os-init", sysroot, "coreos")
    commit = ostree(
        "commit", f"--repo={folder}/sysroot/ostree/repo", "--orphan", f"--tree=dir={folder}/tree",
        "--add-metadata-string=version=9.6.1-0", "--timestamp=1970-01-02T00:00:00Z",
    )  # fmt: skip
    ostree("admin", "deploy", sysroot, "--os=coreos", f"--origin-file={origin}", commit)
    return commit


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["rebase"], "error: Unknown command 'rebase'"),
        (["status", "--none"], "error: Unknown option --none"),
        ([], "error: No command specified"),
    ],
)
def test_rpm_ostree_refuses_what_it_does_not_know(
    args: list[str], message: str, command: Path
) -> None:
    refused = run([command, *args], Deadline.after(10), check=False)

    assert refused.status == 1
    assert refused.stderr.splitlines()[-1] == message
