"""The web server over real sockets of the loopback."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from http.client import HTTPConnection, HTTPSConnection
from pathlib import Path

import pytest

from harness.cluster.exchange import Answer, Request, Route
from harness.cluster.web import WebServer, serve
from harness.images.certificates import ServerCertificate, issue

CONTENT = bytes(range(256)) * 4


def _echo(asked: Request) -> Answer:
    return Answer(body=asked.body[::-1], status=201, headers={"X-Path": asked.path})


@pytest.fixture
def web(tmp_path: Path) -> Iterator[WebServer]:
    file = tmp_path / "rootfs"
    file.write_bytes(CONTENT)
    routes: dict[str, Route] = {"/text": b"hello", "/rootfs": file, "/echo": _echo}
    with serve(routes) as server:
        yield server


def ask(
    web: WebServer, path: str, method: str = "GET", body: bytes | None = None, **headers: str
) -> tuple[int, bytes, dict[str, str]]:
    connection = HTTPConnection("127.0.0.1", web.port, timeout=5)
    connection.request(method, f"/{web.token}{path}", body, headers)
    answer = connection.getresponse()
    read = answer.read()
    connection.close()
    return answer.status, read, dict(answer.getheaders())


@pytest.mark.parametrize(
    ("wanted", "status", "body", "shown"),
    [
        ("", 200, CONTENT, None),
        ("bytes=0-", 206, CONTENT, "bytes 0-1023/1024"),
        ("bytes=10-19", 206, CONTENT[10:20], "bytes 10-19/1024"),
        ("bytes=1000-9999", 206, CONTENT[1000:], "bytes 1000-1023/1024"),
        ("bytes=-4", 206, CONTENT[-4:], "bytes 1020-1023/1024"),
        ("bytes=1024-", 416, b"", "bytes */1024"),
        ("bytes=-0", 416, b"", "bytes */1024"),
        ("bytes=0-1,5-6", 200, CONTENT, None),
        ("lines=1-2", 200, CONTENT, None),
    ],
)
def test_a_file_is_streamed_by_ranges(
    web: WebServer, wanted: str, status: int, body: bytes, shown: str | None
) -> None:
    got = ask(web, "/rootfs", Range=wanted) if wanted else ask(web, "/rootfs")

    assert got[:2] == (status, body)
    assert got[2].get("Content-Range") == shown


def test_requests_are_recorded_with_what_they_got(web: WebServer) -> None:
    ask(web, "/text?x=1", "HEAD", Accept="text/*")
    ask(web, "/none")
    ask(web, "/text", "POST", b"x")

    assert [(r.method, r.path, r.status) for r in web.requests] == [
        ("HEAD", "/text", 200), ("GET", "/none", 404), ("POST", "/text", 405),
    ]  # fmt: skip
    assert web.requests[0].headers["accept"] == "text/*"
    assert web.url_in_guest == f"http://10.0.2.2:{web.port}/{web.token}"


def test_a_function_answers_any_method(web: WebServer) -> None:
    status, body, headers = ask(web, "/echo", "PATCH", b"abc")

    assert (status, body, headers["X-Path"]) == (201, b"cba", "/echo")


def test_head_has_the_length_and_no_body(web: WebServer) -> None:
    status, body, headers = ask(web, "/rootfs", "HEAD")

    assert (status, body, headers["Content-Length"]) == (200, b"", "1024")


def test_leaving_cuts_off_a_client_that_says_nothing_more() -> None:
    before = threading.enumerate()
    with serve({}) as web:
        client = socket.create_connection(("127.0.0.1", web.port), timeout=5)
        client.sendall(b"GET / HT")
        while len(threading.enumerate()) < len(before) + 2:
            time.sleep(0.01)  # until the connection has its thread
        leaves = time.monotonic()

    assert time.monotonic() - leaves < 30, "half of what the server waits for a silent client"
    with client, suppress(ConnectionResetError):
        assert client.recv(1) == b""
    assert threading.enumerate() == before


@pytest.fixture(scope="module")
def certificate() -> ServerCertificate:
    return issue(("10.0.2.2", "127.0.0.1"), ())


def _get(web: WebServer, ca_pem: str) -> bytes:
    trust = ssl.create_default_context(cadata=ca_pem)
    connection = HTTPSConnection("127.0.0.1", web.port, timeout=5, context=trust)
    connection.request("GET", f"/{web.token}/")
    read = connection.getresponse().read()
    connection.close()
    return read


def test_tls_clients_are_served_by_the_certificate(certificate: ServerCertificate) -> None:
    with serve({"/": b"hello"}, certificate) as web:
        # One that does not even begin a handshake keeps nobody out.
        with socket.create_connection(("127.0.0.1", web.port)):
            assert _get(web, certificate.ca_pem) == b"hello"

        assert web.url_in_guest == f"https://10.0.2.2:{web.port}/{web.token}"


def test_who_does_not_know_the_token_gets_nothing(web: WebServer) -> None:
    connection = HTTPConnection("127.0.0.1", web.port, timeout=5)

    for path in ("/text", "/", f"/{'0' * len(web.token)}/text", f"/{web.token}text"):
        connection.request("GET", path)
        answer = connection.getresponse()
        answer.read()
        assert answer.status == 404, path
    connection.close()


def test_a_client_that_does_not_trust_us_is_kept_as_trouble(certificate: ServerCertificate) -> None:
    stranger = issue(("127.0.0.1",), ()).ca_pem
    with (
        serve({"/": b"hello"}, certificate) as web,
        pytest.raises(ssl.SSLCertVerificationError),
    ):
        _get(web, stranger)

    assert web.requests == []
    assert any("alert unknown ca" in trouble for trouble in web.troubles)
