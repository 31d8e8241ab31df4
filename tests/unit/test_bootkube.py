"""The temporary control plane as Ignition delivers it; its script with fakes of podman and curl."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from scenario_fakes import make_inputs

from harness import folders
from harness.cluster.pki import make_pki
from harness.cluster.release_payload import ReleasePayload
from harness.model.clock import Deadline
from harness.model.ignition import Config, Unit
from harness.model.secret import Secret
from harness.node.bootkube import ADMIN_KUBECONFIG, Limits, temporary_control_plane
from harness.process import Completed, run
from harness.scenarios.bootstrap import control_plane_pieces

SPEC = "10.0.2.2:5/release@sha256:0"
RELEASE = ReleasePayload(
    release_pull_spec=SPEC, images={"etcd": "h/etcd@sha256:1", "hyperkube": "h/api@sha256:2"}
)
SCRIPTS = folders.fixture("guest/control-plane")


@pytest.fixture(scope="module")
def config() -> Config:
    return temporary_control_plane(RELEASE, make_pki(), Limits())


def unit(config: Config, name: str) -> Unit:
    return next(unit for unit in config.units if unit.name == name)


def test_bootkube_alone_is_enabled_and_wants_the_release_image(config: Config) -> None:
    bootkube = unit(config, "bootkube.service")

    assert [u.name for u in config.units if u.enabled] == ["bootkube.service"]
    assert "Requires=release-image.service" in str(bootkube.contents)
    assert "ConditionPathExists=!/opt/openshift/.bootkube.done" in str(bootkube.contents)
    for name in ("bootkube.service", "release-image.service"):
        (dropin,) = unit(config, name).dropins
        assert f'Environment="RELEASE_IMAGE={SPEC}"' in dropin.contents


def test_limits_of_a_slow_guest_are_stretched_but_for_tries() -> None:
    slow = temporary_control_plane(RELEASE, make_pki(), Limits().scaled(4.0))
    (dropin,) = unit(slow, "release-image.service").dropins

    assert "TimeoutStartSec=1200\n" in dropin.contents
    assert 'Environment="CONTROL_PLANE_WAIT_S=1200"' in dropin.contents
    assert 'Environment="RELEASE_TRIES=3"' in dropin.contents


def test_keys_are_secrets_of_root(config: Config) -> None:
    secret = {file.path: file.mode for file in config.files if isinstance(file.contents, Secret)}

    assert secret.pop(ADMIN_KUBECONFIG) == 0o600
    assert all(path.startswith("/opt/openshift/tls/") for path in secret)
    assert "/opt/openshift/tls/apiserver.key" in secret
    assert set(secret.values()) == {0o600}


def test_no_image_is_known_before_the_release_image_is_asked(config: Config) -> None:
    pods = [file for file in config.files if file.path.endswith("-pod.json")]

    for pod in pods:
        spec = json.loads(str(pod.contents))["spec"]
        assert [container["image"] for container in spec["containers"]] == ["@IMAGE@"]
    assert len(pods) == 2
    assert not any(file.path.startswith("/etc/kubernetes/manifests") for file in config.files)


def test_without_a_release_there_is_no_control_plane() -> None:
    assert control_plane_pieces(make_inputs(), Limits()) == ()


def in_guest(folder: Path, script: str, curl: str) -> Completed:
    """Run a script of the guest's with its folders below `folder` and fakes of what it calls."""
    programs = {
        "podman": 'echo "podman $*" >>"$CALLS"; echo "h/${@: -1}@sha256:1"',
        "curl": curl,
        "node-image-harness-tell": 'echo "$*" >>"$TOLD"',
        "sleep": "exit 0",
    }
    (folder / "bin").mkdir()
    for name, text in programs.items():
        (folder / "bin" / name).write_text(f"#!/usr/bin/bash\n{text}\n")
        (folder / "bin" / name).chmod(0o755)
    for name in ("release-image.sh", script):
        text = (SCRIPTS / name).read_text()
        for path in ("/usr/local/bin", "/opt/openshift", "/etc/kubernetes", "/run/", "/var/lib"):
            place = folder / "bin" if path == "/usr/local/bin" else f"{folder}{path}"
            text = text.replace(path, str(place) + "/" * path.endswith("/"))
        (folder / "bin" / name).write_text(text)
    for name in ("run", "var/lib", "opt/openshift/bootstrap-manifests"):
        (folder / name).mkdir(parents=True)
    for name in ("etcd", "kube-apiserver"):
        pod = folder / f"opt/openshift/bootstrap-manifests/{name}-pod.json"
        pod.write_text('{"image": "@IMAGE@"}')
    environment = {
        "PATH": f"{folder}/bin:/usr/bin:/bin", "RELEASE_IMAGE": SPEC, "CONTROL_PLANE_WAIT_S": "0",
        "CALLS": f"{folder}/calls", "TOLD": f"{folder}/told",
    }  # fmt: skip
    return run(["bash", f"{folder}/bin/{script}"], Deadline.after(10), env=environment, check=False)


def test_bootkube_gives_kubelet_the_images_of_the_release(tmp_path: Path) -> None:
    ended = in_guest(tmp_path, "bootkube.sh", "echo -n ok")

    assert ended.status == 0, ended
    manifests = tmp_path / "etc/kubernetes/manifests"
    assert sorted(path.name for path in manifests.iterdir()) == [
        "etcd-pod.json",
        "kube-apiserver-pod.json",
    ]
    assert (
        manifests / "kube-apiserver-pod.json"
    ).read_text() == '{"image": "h/hyperkube@sha256:1"}'
    assert (tmp_path / "opt/openshift/.bootkube.done").exists()
    calls = (tmp_path / "calls").read_text().splitlines()
    assert calls[0] == f"podman run --quiet --rm --net=none {SPEC} image etcd"
    assert (tmp_path / "told").read_text().splitlines()[-1] == "control-plane done "


def test_bootkube_gives_up_with_the_last_reason(tmp_path: Path) -> None:
    ended = in_guest(tmp_path, "bootkube.sh", "echo 'curl: (7) Failed to connect'; exit 7")

    assert ended.status == 1
    assert "the API is not ready after 0 s: curl: (7) Failed to connect" in ended.stdout
    assert not (tmp_path / "opt/openshift/.bootkube.done").exists()
