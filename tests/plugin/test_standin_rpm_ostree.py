"""The stand-in's rpm-ostree, built and run on this host over a real ostree sysroot."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest

from harness.model.clock import Deadline
from harness.process import Completed, run

TOOLS = Path(__file__).parents[2] / "fixtures" / "standin" / "tools"
ABSENT = "ostree-unverified-registry:h/absent"
NEW = "ostree-unverified-registry:h/n@sha256:new"
MUTABLE = {"OSTREE_SYSROOT_DEBUG": "mutable-deployments"}
# Stands for `ostree container image pull`, which has tests of its own.
PULL = """\
#!/bin/bash
echo "$*" >> "$PULLS"
[[ $* == *absent* ]] && { echo "error: Preparing import: manifest unknown" >&2; exit 1; }
echo "Wrote: ${*: -1} => $COMMIT"
"""


@pytest.fixture(scope="session")
def command(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("tools") / "rpm-ostree"
    # Neither -trimpath nor -ldflags: they would compile the standard library anew.
    env = {"GO111MODULE": "off", "GOFLAGS": ""}
    run(
        ["go", "build", "-o", target, *sorted(TOOLS.glob("rpm-ostree*.go"))],
        Deadline.after(120),
        env=env,
    )
    return target


def test_rpm_ostree_prints_the_deployments_of_a_sysroot(command: Path, tmp_path: Path) -> None:
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
    sysroot = folder / "sysroot"
    loader = sysroot / "boot" / "loader.0"
    (sysroot / "boot" / "syslinux").mkdir(parents=True)
    loader.mkdir()
    (sysroot / "boot" / "loader").symlink_to("loader.0")
    (loader / "syslinux.cfg").touch()
    (sysroot / "boot" / "syslinux" / "syslinux.cfg").symlink_to("../loader/syslinux.cfg")
    ostree("admin", "init-fs", "--modern", f"{sysroot}")
    ostree("admin", "os-init", f"--sysroot={sysroot}", "coreos")
    repo = f"--repo={sysroot}/ostree/repo"
    ostree("config", repo, "set", "sysroot.bootloader", "syslinux")
    made = commit(folder, "9.6.1-0")
    origin = folder / "image.origin"
    origin.write_text("[origin]\ncontainer-image-reference=ostree-unverified-image:docker://h/n\n")
    ostree(
        "admin", "deploy", f"--sysroot={sysroot}", "--os=coreos", "--karg=root=LABEL=root",
        f"--origin-file={origin}", made,
    )  # fmt: skip
    return made


def commit(folder: Path, version: str) -> str:
    """Commit a tree of that version to the sysroot's repository."""
    tree = folder / version
    modules = tree / "usr" / "lib" / "modules" / "6.1"
    modules.mkdir(parents=True)
    (tree / "usr" / "etc").mkdir()
    (modules / "vmlinuz").write_text("kernel")
    (tree / "usr" / "lib" / "os-release").write_text(f"ID=x\nPRETTY_NAME={version}\n")
    return ostree(
        "commit", f"--repo={folder}/sysroot/ostree/repo", "--orphan", f"--tree=dir={tree}",
        f"--add-metadata-string=version={version}", "--timestamp=1970-01-02T00:00:00Z",
    )  # fmt: skip


def ostree(*args: str) -> str:
    # Otherwise root's deployment is immutable and pytest cannot remove it.
    return run(["ostree", *args], Deadline.after(30), env=MUTABLE).stdout.strip()


class System:
    """A sysroot that the command works on, with a pull that always brings the same commit."""

    def __init__(self, command: Path, folder: Path) -> None:
        self.command, self.folder = command, folder
        self.old = deploy(folder)
        self.new = commit(folder, "9.6.2-0")
        (folder / "bin").mkdir()
        (folder / "bin" / "ostree-container").write_text(PULL)
        (folder / "bin" / "ostree-container").chmod(0o755)
        path = f"{folder / 'bin'}:{os.environ['PATH']}"
        self.env = {**MUTABLE, "PATH": path, "COMMIT": self.new, "PULLS": f"{folder / 'pulls'}"}

    def call(self, *args: str) -> Completed:
        argv = [str(self.command), *args, f"--sysroot={self.folder}/sysroot"]
        return run(argv, Deadline.after(30), env=self.env, check=False)

    @property
    def deployments(self) -> list[dict[str, object]]:
        listed: list[dict[str, object]] = json.loads(self.call("status", "--json").stdout)[
            "deployments"
        ]
        return listed

    @property
    def versions(self) -> list[object]:
        return [deployment["version"] for deployment in self.deployments]

    @property
    def boots(self) -> str:
        """The deployment that the boot loader's default leads to."""
        config = (self.folder / "sysroot/boot/syslinux/syslinux.cfg").read_text()
        default = re.findall(r"^DEFAULT (.*)$", config, re.MULTILINE)
        (label,) = (part for part in config.split("LABEL ")[1:] if part.startswith(default[0]))
        link: Path = self.folder / "sysroot" / re.findall(r"ostree=/(\S+)", label)[0]
        return link.resolve().name.partition(".")[0]


@pytest.fixture
def system(command: Path, tmp_path: Path) -> System:
    return System(command, tmp_path)


def test_rebase_deploys_the_image_with_the_old_kernel_arguments(system: System) -> None:
    done = system.call("rebase", "--experimental", NEW)

    assert done.status == 0, done.stderr
    assert done.stdout.splitlines()[0] == f"Pulling manifest: {NEW}"
    assert "Staging deployment...done\n" in done.stdout
    assert done.stdout.endswith(
        'Changes queued for next boot. Run "systemctl reboot" to start a reboot\n'
    )
    assert system.versions == ["9.6.2-0", "9.6.1-0"]
    assert system.deployments[0]["container-image-reference"] == NEW
    assert system.boots == system.new
    assert system.call("kargs").stdout.startswith("root=LABEL=root ")


def test_rollback_lets_the_other_deployment_boot_and_back(system: System) -> None:
    system.call("rebase", NEW)

    back = system.call("rollback")

    assert back.status == 0, back.stderr
    assert back.stdout.startswith(f"Moving '{system.old}.0' to be first deployment\n")
    assert (system.versions, system.boots) == (["9.6.1-0", "9.6.2-0"], system.old)
    system.call("rollback")
    assert (system.versions, system.boots) == (["9.6.2-0", "9.6.1-0"], system.new)


def test_logins_of_the_system_are_used_for_the_pull(system: System) -> None:
    auth = system.folder / "sysroot" / "etc" / "ostree" / "auth.json"
    auth.parent.mkdir(parents=True)
    auth.write_text("{}")

    system.call("rebase", NEW)

    assert f"--authfile={auth} " in (system.folder / "pulls").read_text()


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["rebase", ABSENT], f"error: Pulling {ABSENT}: exit status 1"),
        (["rebase", "fedora:x"], "error: Invalid image reference"),
        (["rebase"], "error: Must specify a single refspec or image reference"),
        (["rebase", "ostree-unverified-image:docker://h/n"], "error: Old and new refs are equal: "),
        (["rollback"], "error: No rollback deployment found"),
        (["cleanup"], "error: At least one cleanup option must be specified"),
    ],
)  # fmt: skip
def test_what_cannot_be_done_changes_nothing(args: list[str], message: str, system: System) -> None:
    refused = system.call(*args)

    assert refused.status == 1
    assert refused.stderr.splitlines()[-1].startswith(message)
    assert (system.versions, system.boots) == (["9.6.1-0"], system.old)


def test_cleanup_removes_the_rollback(system: System) -> None:
    system.call("rebase", NEW)

    assert system.call("cleanup", "-p").stdout == "Deployments unchanged.\n"
    assert system.call("cleanup", "-r").status == 0
    assert system.versions == ["9.6.2-0"]


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["install"], "error: Unknown command 'install'"),
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
