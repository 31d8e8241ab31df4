"""The standalone kubelet as Ignition delivers it."""

from __future__ import annotations

import json
import tomllib

from harness.guest.kubelet import (
    PROBE_POD,
    crio_pause,
    standalone_kubelet,
)
from harness.model.ignition import Config, File

REGISTRY = "10.0.2.2:5000"
PAUSE = f"{REGISTRY}/pause@sha256:abc"


def _text(config: Config, path: str) -> str:
    found: File = next(file for file in config.files if file.path == path)
    assert isinstance(found.contents, str)
    return found.contents


def test_unit_notifies_restarts_and_is_enabled() -> None:
    (unit,) = standalone_kubelet(PAUSE).units
    lines = str(unit.contents).splitlines()

    assert (unit.name, unit.enabled) == ("kubelet.service", True)
    assert {"Type=notify", "Restart=always", "RestartSec=10"} <= set(lines)
    assert {"EnvironmentFile=-/etc/os-release", "EnvironmentFile=-/etc/sysconfig/kubelet"} <= set(
        lines
    )
    assert "WantedBy=multi-user.target" in lines


def test_kubelet_gets_the_runtime_and_its_config() -> None:
    (unit,) = standalone_kubelet(PAUSE).units

    assert "--config=/etc/kubernetes/kubelet.conf" in str(unit.contents)
    assert "--container-runtime-endpoint=unix:///run/crio/crio.sock" in str(unit.contents)
    assert "--kubeconfig" not in str(unit.contents)


def test_config_runs_static_pods_without_a_cluster() -> None:
    config = json.loads(_text(standalone_kubelet(PAUSE), "/etc/kubernetes/kubelet.conf"))

    assert config["staticPodPath"] == "/etc/kubernetes/manifests"
    assert config["authentication"]["webhook"] == {"enabled": False}
    assert config["enableControllerAttachDetach"] is False
    assert config["cgroupDriver"] == "systemd"
    assert (config["healthzBindAddress"], config["healthzPort"]) == ("127.0.0.1", 10248)


def test_probe_pod_needs_neither_network_nor_service_account() -> None:
    path = f"/etc/kubernetes/manifests/{PROBE_POD}.json"
    pod = json.loads(_text(standalone_kubelet(PAUSE), path))

    assert pod["metadata"]["name"] == "node-image-harness-probe"
    assert pod["spec"]["hostNetwork"] is True
    assert pod["spec"]["automountServiceAccountToken"] is False
    assert [c["image"] for c in pod["spec"]["containers"]] == [PAUSE]


def test_extra_arguments_are_left_to_the_node_layer() -> None:
    files = standalone_kubelet(PAUSE).files

    assert "/etc/sysconfig/kubelet" not in [file.path for file in files]


def test_crio_runs_the_pause_image_by_its_own_entrypoint() -> None:
    text = _text(crio_pause(PAUSE), "/etc/crio/crio.conf.d/50-node-image-harness.conf")

    assert tomllib.loads(text)["crio"]["image"] == {"pause_image": PAUSE, "pause_command": ""}
