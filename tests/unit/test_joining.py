"""The kubelet that joins a cluster, as Ignition delivers it."""

from __future__ import annotations

import json
from pathlib import Path

from harness.cluster.control_plane import ControlPlane
from harness.guest.joining import NODE_KUBECONFIG, joining_kubelet
from harness.guest.kubelet import standalone_kubelet
from harness.model.ignition import Config, File, merge
from harness.model.secret import Secret
from harness.pki.control_plane import make_pki

PAUSE = "10.0.2.2:5000/pause@sha256:abc"
PLANE = ControlPlane(port=6443, pki=make_pki(), folder=Path("/run/plane"))


def joined() -> Config:
    return joining_kubelet(PLANE.api, "worker-0", PAUSE)


def file(config: Config, path: str) -> File:
    return next(file for file in config.files if file.path == path)


def test_the_label_comes_from_os_release_which_has_to_be_there() -> None:
    (unit,) = joined().units
    lines = str(unit.contents).splitlines()

    assert "EnvironmentFile=/etc/os-release" in lines
    assert "    --node-labels=node.openshift.io/os_id=${ID} \\" in lines
    assert f"    --kubeconfig={NODE_KUBECONFIG} \\" in lines
    assert {"Type=notify", "Restart=always"} <= set(lines)


def test_only_root_reads_the_credentials_of_the_node() -> None:
    kubeconfig = file(joined(), NODE_KUBECONFIG)

    assert isinstance(kubeconfig.contents, Secret)
    assert kubeconfig.mode == 0o600
    cluster = json.loads(kubeconfig.contents.reveal())["clusters"][0]["cluster"]
    assert cluster["server"] == "https://10.0.2.2:6443"


def test_kubelet_asks_the_api_who_may_call_it() -> None:
    config = json.loads(str(file(joined(), "/etc/kubernetes/kubelet.conf").contents))

    assert config["authorization"] == {"mode": "Webhook"}
    assert config["authentication"]["anonymous"] == {"enabled": False}
    ca = config["authentication"]["x509"]["clientCAFile"]
    assert file(joined(), ca).contents == PLANE.api.ca_pem
    assert config["staticPodPath"] == "/etc/kubernetes/manifests"


def test_the_runtime_finds_a_network_where_it_looks() -> None:
    network = file(joined(), "/etc/kubernetes/cni/net.d/50-node-image-harness.conflist")

    assert [plugin["type"] for plugin in json.loads(str(network.contents))["plugins"]] == [
        "loopback"
    ]


def test_it_takes_the_place_of_the_standalone_kubelet_when_merged_over_it() -> None:
    alone, cluster = standalone_kubelet(PAUSE).to_document(), joined().to_document()

    merged = merge(alone, cluster)

    assert merged["systemd"] == cluster["systemd"]
