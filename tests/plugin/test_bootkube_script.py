"""The bootstrap's script on this host, with fakes of podman, curl and its folders."""

from __future__ import annotations

from pathlib import Path

from harness import folders
from harness.model.clock import Deadline
from harness.process import Completed, run

SPEC = "10.0.2.2:5/release@sha256:0"
SCRIPTS = folders.fixture("guest/control-plane")


def in_guest(
    folder: Path, script: str, curl: str, images: tuple[str, ...] = ("etcd", "hyperkube")
) -> Completed:
    """Run a script of the guest's with its folders below `folder` and fakes of what it calls."""
    (folder / "images").write_text("".join(f"{name} h/{name}@sha256:1\n" for name in images))
    programs = {
        "podman": 'echo "podman $*" >>"$CALLS"; cat "$IMAGES"',
        "curl": curl,
        "node-image-harness-event": 'echo "$*" >>"$REPORTED"',
        "sleep": "exit 0",
    }
    (folder / "bin").mkdir()
    for name, text in programs.items():
        (folder / "bin" / name).write_text(f"#!/usr/bin/bash\n{text}\n")
        (folder / "bin" / name).chmod(0o755)
    for name in ("release-image.sh", script):
        text = (SCRIPTS / name).read_text()
        for path in ("/usr/local/bin", "/opt/openshift", "/etc/kubernetes", "/run/", "/var/l"):
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
        "CALLS": f"{folder}/calls", "IMAGES": f"{folder}/images", "REPORTED": f"{folder}/reported",
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
    assert calls == [f"podman run --quiet --rm --net=none {SPEC} images"]
    assert (tmp_path / "reported").read_text().splitlines()[-1] == "control-plane done "


def test_bootkube_ends_at_once_if_the_release_lacks_an_image(tmp_path: Path) -> None:
    ended = in_guest(tmp_path, "bootkube.sh", "echo -n ok", images=("etcd",))

    assert ended.status == 1
    assert ended.stderr == "the release image has no image hyperkube\n"
    assert not (tmp_path / "etc/kubernetes/manifests").exists()


def test_bootkube_gives_up_with_the_last_reason(tmp_path: Path) -> None:
    log = tmp_path / "var/log/pods/kube-system_etcd-n_1/etcd/0.log"
    log.parent.mkdir(parents=True)
    log.write_text("".join(f"line {number}\n" for number in range(20)))

    ended = in_guest(tmp_path, "bootkube.sh", "echo 'curl: (7) Failed to connect'; exit 7")

    assert ended.status == 1
    *_, first, last, reason = ended.stdout.splitlines()
    assert reason == "the API is not ready after 0 s: curl: (7) Failed to connect"
    assert (first, last) == ("line 18", "line 19")
    assert "line 11" not in ended.stdout
    assert "last of kube-system_etcd-n_1/etcd/0.log:" in ended.stdout
    assert not (tmp_path / "opt/openshift/.bootkube.done").exists()
