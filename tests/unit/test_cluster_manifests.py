"""How etcd and the API server are started: the same way as pods and as processes."""

from __future__ import annotations

import json
from pathlib import Path

from harness.cluster import control_plane
from harness.cluster.manifests import (
    Layout,
    apiserver_arguments,
    apiserver_pod,
    etcd_arguments,
    etcd_pod,
    guest_layout,
)
from harness.cluster.payload import Payload
from harness.model import readyz
from harness.pki.control_plane import make_pki

AT = Layout(tls="/t", data="/d", listen="127.0.0.1", advertised="10.0.2.2", api_port=1, etcd_port=2)


def options(arguments: tuple[str, ...]) -> dict[str, str]:
    pairs = (argument.removeprefix("--").partition("=") for argument in arguments)
    return {name: value for name, _, value in pairs}


def test_api_server_asks_who_you_are_and_what_you_may() -> None:
    given = options(apiserver_arguments(AT))

    assert given["authorization-mode"] == "Node,RBAC"
    assert given["client-ca-file"] == "/t/ca.crt"
    assert "NodeRestriction" in given["enable-admission-plugins"]
    assert not any("insecure" in name or "token-auth" in name for name in given)


def test_etcd_takes_clients_of_its_authority_alone() -> None:
    etcd, api = options(etcd_arguments(AT)), options(apiserver_arguments(AT))

    assert "client-cert-auth" in etcd
    assert etcd["trusted-ca-file"] == api["etcd-cafile"] == "/t/etcd-ca.crt"
    assert etcd["listen-client-urls"] == api["etcd-servers"] == "https://127.0.0.1:2"
    assert "peer-client-cert-auth" in etcd
    assert etcd["listen-peer-urls"].startswith("https://")


def test_every_file_that_is_named_is_one_of_the_pki() -> None:
    named = {
        value.removeprefix("/t/")
        for arguments in (etcd_arguments(AT), apiserver_arguments(AT))
        for value in options(arguments).values()
        if value.startswith("/t/")
    }

    assert named == set(make_pki().files())


def test_pods_run_on_the_host_s_network_with_their_folders() -> None:
    at = guest_layout("10.0.2.15")

    for text, folders in (
        (etcd_pod("i@sha256:1", at), ["/opt/openshift/tls", "/var/lib/etcd"]),
        (apiserver_pod("i@sha256:1", at), ["/opt/openshift/tls"]),
    ):
        spec = json.loads(text)["spec"]
        (container,) = spec["containers"]
        assert spec["hostNetwork"] is True
        assert container["image"] == "i@sha256:1"
        assert [volume["hostPath"]["path"] for volume in spec["volumes"]] == folders
        assert [mount["mountPath"] for mount in container["volumeMounts"]] == folders


def test_the_host_runs_etcd_with_its_own_libraries() -> None:
    calls = control_plane.programs(Payload(folder=Path("/p")), AT)

    assert calls["etcd"][:4] == [
        "/p/etcd-tree/lib64/ld-linux-x86-64.so.2", "--library-path",
        "/p/etcd-tree/lib/x86_64-linux-gnu", "/p/etcd-tree/usr/bin/etcd",
    ]  # fmt: skip
    assert calls["kube-apiserver"][0] == "/p/hyperkube-tree/usr/bin/kube-apiserver"
    assert calls["kube-apiserver"][1:] == list(apiserver_arguments(AT))


def test_only_what_keeps_the_api_from_being_ready_is_reported() -> None:
    said = "[+]ping ok\n[-]etcd failed: reason withheld\n[+]log ok\nreadyz check failed\n"

    assert readyz.why_not_ready(said) == "[-]etcd failed: reason withheld"
    assert readyz.why_not_ready("Unauthorized\n") == "Unauthorized"
