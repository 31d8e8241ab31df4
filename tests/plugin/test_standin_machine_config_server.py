"""The stand-in's machine-config server, built and asked on this host."""

from __future__ import annotations

import json
import ssl
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path

import httpx
import pytest

from harness import process
from harness.images.container.registry import free_port
from harness.model.clock import Deadline, NotYet, wait_for
from harness.pki.certificates import Certificate, issue

SOURCE = Path(__file__).parents[2] / "fixtures/standin/tools/machine-config-server.go"
IGNITION = "application/vnd.coreos.ignition+json;version={}, */*;q=0.1"
CONFIG = {"ignition": {"version": "3.2.0"}}


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A client of a server that runs as long as this module's tests."""
    folder = tmp_path_factory.mktemp("mcs")
    certificate = issue(("127.0.0.1",), ())
    lay_out(folder, certificate)
    program = folder / "machine-config-server"
    env = {"GO111MODULE": "off", "GOFLAGS": ""}
    process.run(["go", "build", "-o", program, SOURCE], Deadline.after(240), env=env)
    address = f"127.0.0.1:{free_port()}"
    argv: list[str | Path] = [
        program, f"--configs={folder}", f"--cert={folder}/tls.crt", f"--key={folder}/tls.key",
        f"--listen={address}",
    ]  # fmt: skip
    trust = ssl.create_default_context(cadata=certificate.ca_pem)
    with (
        (folder / "log").open("wb") as log,
        process.start(argv, stdout=log.fileno(), stderr=log.fileno()),
        httpx.Client(base_url=f"https://{address}", verify=trust, trust_env=False) as asking,
    ):
        wait_for("the server", lambda: healthy(asking), Deadline.after(30), tick_s=0.05)
        yield asking


def lay_out(folder: Path, certificate: Certificate) -> None:
    (folder / "tls.crt").write_text(certificate.certificate_pem)
    (folder / "tls.key").write_text(certificate.key_pem.reveal())
    (folder / "master.json").write_text(json.dumps(CONFIG))
    (folder / "broken.json").write_text("{")


def healthy(client: httpx.Client) -> None:
    try:
        client.get("/healthz")
    except httpx.TransportError as exc:
        raise NotYet(str(exc)) from exc


@pytest.mark.parametrize(
    ("path", "accept", "status", "said"),
    [
        ("/config/master", IGNITION.format("3.2.0"), HTTPStatus.OK, '"3.2.0"'),
        ("/config/master", IGNITION.format("3.4.0"), HTTPStatus.OK, '"3.2.0"'),
        ("/config/master", IGNITION.format("3.1.0"), HTTPStatus.BAD_REQUEST, "none beyond 3.1"),
        ("/config/master", IGNITION.format("2.2.0"), HTTPStatus.BAD_REQUEST, "none beyond 2.2"),
        ("/config/master", "*/*", HTTPStatus.BAD_REQUEST, "no Ignition asks like that"),
        ("/config/worker", IGNITION.format("3.2.0"), HTTPStatus.NOT_FOUND, "role worker"),
        ("/config/Master.1", IGNITION.format("3.2.0"), HTTPStatus.NOT_FOUND, "no such role"),
        ("/config/broken", IGNITION.format("3.2.0"), HTTPStatus.INTERNAL_SERVER_ERROR, "no JSON"),
        ("/other", IGNITION.format("3.2.0"), HTTPStatus.NOT_FOUND, ""),
    ],
)
def test_config_goes_to_who_can_read_it(
    client: httpx.Client, path: str, accept: str, status: HTTPStatus, said: str
) -> None:
    answer = client.get(path, headers={"Accept": accept})

    assert answer.status_code == status
    assert said in answer.text
