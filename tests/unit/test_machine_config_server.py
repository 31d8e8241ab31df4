"""The machine-config server over a real socket, and the pointer that leads to it."""

from __future__ import annotations

import base64
import json
import ssl
from collections.abc import Iterator
from http.client import HTTPSConnection
from typing import Any

import pytest

from harness.cluster.machine_config_server import (
    MASTER,
    WORKER,
    MachineConfigServer,
    serve_machine_configs,
)
from harness.cluster.pointer import pointer
from harness.model.ignition import Document, render

CONFIG: Document = {"ignition": {"version": "3.2.0"}, "storage": {"files": [{"path": "/etc/x"}]}}
IGNITION = "application/vnd.coreos.ignition+json;version={}, */*;q=0.1"


@pytest.fixture(scope="module")
def server() -> Iterator[MachineConfigServer]:
    with serve_machine_configs({MASTER: CONFIG}) as server:
        yield server


@pytest.fixture(scope="module")
def trust(server: MachineConfigServer) -> ssl.SSLContext:
    return ssl.create_default_context(cadata=server.ca_pem)


@pytest.mark.parametrize(
    ("path", "accept", "status", "said"),
    [
        ("/config/master", IGNITION.format("3.3.0"), 200, ""),
        ("/config/master", IGNITION.format("3.2.0"), 200, ""),
        ("/config/master", IGNITION.format("3.1.0"), 400, "has version 3.2.0, and the client"),
        ("/config/master", IGNITION.format("2.4.0"), 400, "knows none beyond"),
        ("/config/master", IGNITION.format("4.0.0"), 400, "knows none beyond"),
        ("/config/master", "*/*", 400, "no Ignition asks like that: Accept is '*/*'"),
        ("/config/master", "", 400, "no Ignition asks like that"),
        ("/config/worker", IGNITION.format("3.3.0"), 404, "no config for the role worker"),
        ("/config/infra", IGNITION.format("3.3.0"), 404, "nothing is served at /config/infra"),
        ("/healthz", "", 200, ""),
    ],
)  # fmt: skip
def test_a_config_goes_to_those_who_know_its_version(
    path: str,
    accept: str,
    status: int,
    said: str,
    server: MachineConfigServer,
    trust: ssl.SSLContext,
) -> None:
    connection = HTTPSConnection("127.0.0.1", server.web.port, timeout=5, context=trust)
    headers = {"Accept": accept} if accept else {}
    connection.request("GET", f"/{server.web.token}{path}", headers=headers)
    answer = connection.getresponse()
    body = answer.read().decode()
    connection.close()

    assert answer.status == status
    assert said in body
    if status == 200 and path != "/healthz":
        assert json.loads(body) == CONFIG


def test_a_pointer_merges_the_config_and_trusts_its_server(server: MachineConfigServer) -> None:
    document = server.pointer(WORKER)

    ignition: dict[str, Any] = json.loads(render(document))["ignition"]
    url = f"{server.web.url_in_guest}/config/worker"
    assert ignition["config"] == {"merge": [{"source": url}]}
    (authority,) = ignition["security"]["tls"]["certificateAuthorities"]
    assert base64.b64decode(authority["source"].partition("base64,")[2]).decode() == server.ca_pem


def test_a_pointer_by_http_names_no_authority() -> None:
    assert pointer("http://10.0.2.2:8080/bootstrap.ign") == {
        "ignition": {
            "version": "3.2.0",
            "config": {"merge": [{"source": "http://10.0.2.2:8080/bootstrap.ign"}]},
        }
    }
