"""The control plane on this host, for real: etcd and the API server of the stand-in's payload."""

from __future__ import annotations

import base64
import json
import ssl
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest

from harness.cluster.control_plane import ControlPlane, hosted
from harness.model.clock import Deadline
from harness.model.drawn import Drawn, drawing
from harness.model.secret import Secret
from harness.pki.control_plane import make_pki
from harness.standin import build

READY_S = 120.0
NODE = "worker-0"


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    with running(tmp_path_factory.mktemp("plane") / "files", Drawn()) as plane:
        yield plane


@contextmanager
def running(folder: Path, drawn: Drawn, saved: Path | None = None) -> Iterator[ControlPlane]:
    """Run a control plane with what was drawn for another one, as a play does."""
    payload = build.ensure(Deadline.after(build.LIMIT_S), print).payload
    with ExitStack() as stack:
        with drawing(drawn):
            made = hosted(folder, payload, make_pki(), Deadline.after(READY_S), saved)
            plane = stack.enter_context(made)
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
NAMESPACES = "/api/v1/namespaces"
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


def test_a_later_one_goes_on_from_what_an_earlier_one_saved(tmp_path: Path) -> None:
    drawn, saved = Drawn(), tmp_path / "saved"
    names = ("before", "after")
    with running(tmp_path / "first", drawn) as first:
        kubeconfig = first.pki.admin_kubeconfig(first.url)
        with client_of(first, tmp_path, kubeconfig) as client:
            for name in names:
                assert client.post(NAMESPACES, json=namespace(name)).status_code == 201
                if name == "before":
                    first.save(saved)

    with running(tmp_path / "second", Drawn(drawn.all), saved) as second:
        assert second.port == first.port
        with client_of(second, tmp_path, kubeconfig) as client:
            seen = [client.get(f"{NAMESPACES}/{name}").status_code for name in names]
            assert client.post(NAMESPACES, json=namespace("later")).status_code == 201

    assert seen == [200, 404]
    assert saved.stat().st_mode & 0o777 == 0o600


def namespace(name: str) -> dict[str, object]:
    return {"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": name}}
