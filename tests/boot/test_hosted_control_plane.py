"""The control plane on this host, for real: etcd and the API server of the stand-in's payload."""

from __future__ import annotations

import base64
import json
import ssl
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from harness.cluster.control_plane import ControlPlane, hosted
from harness.model.clock import Deadline
from harness.model.secret import Secret
from harness.pki.control_plane import make_pki
from harness.standin import build

READY_S = 120.0
NODE = "worker-0"


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    built = build.ensure(Deadline.after(build.LIMIT_S), print)
    folder = tmp_path_factory.mktemp("plane") / "files"
    with hosted(folder, built.payload, make_pki(), Deadline.after(READY_S)) as plane:
        yield plane


def client_of(plane: ControlPlane, folder: Path, kubeconfig: Secret | None) -> httpx.Client:
    trust = ssl.create_default_context(cadata=plane.api.ca_pem)
    if kubeconfig is not None:
        user = json.loads(kubeconfig.reveal())["users"][0]["user"]
        for name in ("client-certificate-data", "client-key-data"):
            (folder / name).write_bytes(base64.b64decode(user[name]))
        trust.load_cert_chain(folder / "client-certificate-data", folder / "client-key-data")
    return httpx.Client(base_url=plane.url, verify=trust, trust_env=False, timeout=20.0)


NODES = "/api/v1/nodes"
SECRETS = "/api/v1/namespaces/kube-system/secrets"


@pytest.mark.parametrize(
    ("who", "path", "status"),
    [
        ("nobody", "/readyz", 200),
        ("nobody", NODES, 403),
        ("node", NODES, 200),
        ("node", SECRETS, 403),
        ("admin", SECRETS, 200),
    ],
)
def test_who_may_ask_for_what(
    who: str, path: str, status: int, plane: ControlPlane, tmp_path: Path
) -> None:
    credentials = {
        "nobody": None,
        "node": plane.api.kubeconfig_of_node(NODE),
        "admin": plane.pki.admin_kubeconfig(plane.url),
    }

    with client_of(plane, tmp_path, credentials[who]) as client:
        assert client.get(path).status_code == status


@pytest.mark.parametrize(("name", "status"), [(NODE, 201), ("another", 403)])
def test_a_node_registers_itself_and_no_other(
    name: str, status: int, plane: ControlPlane, tmp_path: Path
) -> None:
    labels = {"node.openshift.io/os_id": "rhel"}
    node = {"kind": "Node", "apiVersion": "v1", "metadata": {"name": name, "labels": labels}}

    with client_of(plane, tmp_path, plane.api.kubeconfig_of_node(NODE)) as client:
        answer = client.post(NODES, json=node)

    assert answer.status_code == status, answer.text
