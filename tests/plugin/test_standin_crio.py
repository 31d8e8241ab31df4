"""The stand-in's crio and kubelet: what the installer says reaches containerd and kubelet."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from harness import process
from harness.folders import fixture
from harness.model.clock import Deadline

LAYER = fixture("standin/node")
PAUSE = "10.0.2.2:5000/pause@sha256:1"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Give a folder with the files of the package crio-stand-in's /etc, and a fake containerd."""
    drop_ins = tmp_path / "etc/crio/crio.conf.d"
    drop_ins.mkdir(parents=True)
    shipped = LAYER / "crio-stand-in/etc/crio/crio.conf.d/00-default"
    (drop_ins / shipped.name).write_bytes(shipped.read_bytes())
    fake(tmp_path, "containerd")
    return tmp_path


def fake(root: Path, name: str) -> None:
    program = root / name
    program.write_text('#!/bin/bash\nprintf "%s\\n" "$@"\n')
    program.chmod(0o755)


def run(root: Path, package: str, name: str, *arguments: str, **moved: str) -> str:
    """Run a program of a package with its paths below `root`."""
    text = (LAYER / package / "usr/bin" / name).read_text()
    for path, place in {"/etc/crio": "etc/crio", "/run/crio": "run/crio", **moved}.items():
        text = text.replace(path, str(root / place))
    script = root / f"{name}.sh"
    script.write_text(text)
    return process.run(["bash", script, *arguments], Deadline.after(10.0)).stdout


def cri(root: Path) -> dict[str, Any]:
    called = run(root, "crio-stand-in", "crio", **{"/usr/bin/containerd": "containerd"})
    config = root / "run/crio/containerd.toml"
    assert called.split() == ["--config", str(config)]
    document = tomllib.loads(config.read_text())
    assert document["grpc"]["address"] == str(root / "run/crio/crio.sock")
    plugin: dict[str, Any] = document["plugins"]["io.containerd.grpc.v1.cri"]
    return plugin


def test_without_settings_the_shipped_ones_count(root: Path) -> None:
    plugin = cri(root)

    assert "sandbox_image" not in plugin
    assert plugin["cni"] == {"conf_dir": "/etc/kubernetes/cni/net.d"}
    assert plugin["containerd"]["runtimes"]["runc"]["options"] == {"SystemdCgroup": True}
    first, second = plugin["registry"]["config_path"].split(":")
    assert (first, second) == (str(root / "run/crio/certs.d"), "/etc/containers/certs.d")


def test_last_pause_image_counts(root: Path) -> None:
    drop_ins = root / "etc/crio/crio.conf.d"
    (drop_ins / "50-bootstrap-override.conf").write_text(
        f'[crio]\n[crio.image]\npause_image = "{PAUSE}"\npause_command = "/usr/bin/pod"\n'
    )
    (drop_ins / "10-earlier.conf").write_text('[crio.image]\n  pause_image="other"\n')

    assert cri(root)["sandbox_image"] == PAUSE


def test_insecure_registries_are_not_verified(root: Path) -> None:
    (root / "etc/crio/crio.conf").write_text(
        '[crio.image]\ninsecure_registries = ["one.example:5000", "two.example"]\n'
    )

    cri(root)

    for host in ("one.example:5000", "two.example"):
        text = (root / "run/crio/certs.d" / host / "hosts.toml").read_text()
        assert tomllib.loads(text)["host"][f"https://{host}"]["skip_verify"] is True


def test_registry_that_is_no_longer_insecure_is_forgotten(root: Path) -> None:
    (root / "run/crio/certs.d/old.example").mkdir(parents=True)

    cri(root)

    assert not list((root / "run/crio/certs.d").iterdir())


def test_kubelet_gets_the_flag_for_a_remote_runtime(root: Path) -> None:
    fake(root, "kubelet-1.20")
    program = {"/usr/libexec/stand-in/kubelet": "kubelet-1.20"}

    printed = run(root, "openshift-kubelet", "kubelet", "--v=2", "--config=/a b", **program)

    assert printed.splitlines() == ["--container-runtime=remote", "--v=2", "--config=/a b"]
