"""The web server over real sockets of the loopback."""

from __future__ import annotations

import os
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from http.client import HTTPConnection, HTTPSConnection, IncompleteRead
from pathlib import Path

import pytest

from harness.cluster.exchange import Answer, Request, Route
from harness.cluster.web import WebServer, _Server, serve
from harness.pki.certificates import Certificate, issue

CONTENT = bytes(range(256)) * 4
CHUNK_BYTES = 1 << 18
LONGEST_BODY_BYTES = 1 << 20


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


@pytest.mark.parametrize("size_bytes", [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1])
def test_a_file_arrives_whole(size_bytes: int, web: WebServer, tmp_path: Path) -> None:
    content = (CONTENT * (CHUNK_BYTES // 1024 + 1))[:size_bytes]
    (tmp_path / "rootfs").write_bytes(content)

    status, body, headers = ask(web, "/rootfs")

    assert (status, body == content) == (200, True)
    assert headers["Content-Length"] == str(size_bytes)


def test_one_that_wants_a_part_of_a_file_gets_the_whole(web: WebServer) -> None:
    assert ask(web, "/rootfs", Range="bytes=10-19")[:2] == (200, CONTENT)


def test_a_file_that_became_shorter_ends_the_connection(web: WebServer, tmp_path: Path) -> None:
    os.truncate(tmp_path / "rootfs", 64 << 20)  # more than the sockets on the way take
    connection = HTTPConnection("127.0.0.1", web.port, timeout=5)
    connection.request("GET", f"/{web.token}/rootfs")
    answer = connection.getresponse()

    os.truncate(tmp_path / "rootfs", 1)

    with pytest.raises(IncompleteRead):
        answer.read()
    connection.close()


@pytest.mark.parametrize(
    ("length", "status"),
    [
        (LONGEST_BODY_BYTES, b"201"),
        (LONGEST_BODY_BYTES + 1, b"413"),
        ("9" * 5000, b"411"),
        (-1, b"411"),
        ("x", b"411"),
        ("²", b"411"),
        ("", b"411"),
        ("1\r\nContent-Length: 1", b"411"),
        ("1\r\nTransfer-Encoding: chunked", b"411"),
    ],
)
def test_a_body_may_be_so_long_and_no_longer(
    length: int | str, status: bytes, web: WebServer
) -> None:
    with socket.create_connection(("127.0.0.1", web.port), timeout=5) as client:
        head = f"POST /{web.token}/echo HTTP/1.1\r\nContent-Length: {length}\r\n\r\n"
        client.sendall(head.encode("latin-1"))
        client.shutdown(socket.SHUT_WR)  # the length that is announced counts

        assert client.recv(12) == b"HTTP/1.1 " + status


def test_requests_are_recorded_with_what_they_got(web: WebServer) -> None:
    ask(web, "/text?x=1", "HEAD", Accept="text/*")
    ask(web, "/none")
    ask(web, "/text", "POST", b"x")

    assert [(r.method, r.path, r.status) for r in web.requests] == [
        ("HEAD", "/text", 200), ("GET", "/none", 404), ("POST", "/text", 405),
    ]  # fmt: skip
    assert web.requests[0].headers["accept"] == "text/*"
    assert web.url_in_guest == f"http://10.0.2.2:{web.port}/{web.token}"


@pytest.mark.parametrize(
    ("path", "method", "status"),
    [
        ("/{token}/text", "POST", b"405"), ("/{token}/none", "PUT", b"404"),
        ("/{token}/text", "GET", b"200"), ("/echo", "POST", b"404"),
        ("/{wrong}/echo", "POST", b"404"),
    ],
)  # fmt: skip
def test_body_that_no_route_takes_is_not_read(
    path: str, method: str, status: bytes, web: WebServer
) -> None:
    path = path.format(token=web.token, wrong="0" * len(web.token))
    with socket.create_connection(("127.0.0.1", web.port), timeout=5) as client:
        head = f"{method} {path} HTTP/1.1\r\nContent-Length: {60 << 20}\r\n\r\n"

        client.sendall(head.encode())  # and no body, which the server does not wait for
        answer = client.makefile("rb").read()

    assert answer.startswith(b"HTTP/1.1 " + status)
    assert b"Connection: close" in answer


def test_client_that_sends_a_body_in_vain_still_gets_its_answer(web: WebServer) -> None:
    status, body, _ = ask(web, "/text", "POST", b"x" * 500_000)

    assert (status, body) == (405, b"/text can only be read\n")


def test_bodies_and_what_strangers_say_are_not_kept(web: WebServer) -> None:
    ask(web, "/echo", "POST", b"secret", X="known")
    connection = HTTPConnection("127.0.0.1", web.port, timeout=5)
    connection.request("GET", "/", headers={"X": "y" * 9000})
    connection.getresponse().read()
    connection.close()

    assert [(one.body, "x" in one.headers) for one in web.requests] == [(b"", True), (b"", False)]


def test_only_so_many_requests_are_kept(web: WebServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.cluster.web._MAX_KEPT", 2)
    for _ in range(4):
        ask(web, "/text")

    assert len(web.requests) == 2


@pytest.mark.parametrize(
    ("limit", "begin"),
    [
        ("HEAD_WITHIN_S", "GET /{token}/te"),
        ("HEAD_WITHIN_S", "GET /{token}/text HTTP/1.1\r\nX: "),
        ("BODY_WITHIN_S", "POST /{token}/echo HTTP/1.1\r\nContent-Length: 9999\r\n\r\n"),
    ],
)
def test_client_that_sends_slowly_is_cut_off(
    limit: str, begin: str, web: WebServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"harness.cluster.inbound.{limit}", 0.2)
    with socket.create_connection(("127.0.0.1", web.port), timeout=0.02) as client:
        client.sendall(begin.format(token=web.token).encode())

        _drip_until_the_end(client)


def _drip_until_the_end(client: socket.socket) -> None:
    with suppress(ConnectionError):
        while True:
            with suppress(TimeoutError):
                client.recv(1)
                return
            client.sendall(b"x")


def test_endless_head_is_cut_off(web: WebServer) -> None:
    with socket.create_connection(("127.0.0.1", web.port), timeout=5) as client:
        client.sendall(f"GET /{web.token}/text HTTP/1.1\r\n".encode())

        with pytest.raises(ConnectionError):
            client.sendall((b"X-Long: " + b"y" * 9000 + b"\r\n") * 10_000)


def test_a_client_may_ask_whether_to_send_its_body(web: WebServer) -> None:
    with socket.create_connection(("127.0.0.1", web.port), timeout=5) as client:
        head = (
            f"POST /{web.token}/echo HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n"
        )
        client.sendall(head.encode())
        assert client.recv(12) == b"HTTP/1.1 100"

        client.sendall(b"abc")
        client.shutdown(socket.SHUT_WR)

        assert client.makefile("rb").read().endswith(b"cba")


def test_a_function_answers_any_method(web: WebServer) -> None:
    status, body, headers = ask(web, "/echo", "PATCH", b"abc")

    assert (status, body, headers["X-Path"]) == (201, b"cba", "/echo")


def test_head_has_the_length_and_no_body(web: WebServer) -> None:
    status, body, headers = ask(web, "/rootfs", "HEAD")

    assert (status, body, headers["Content-Length"]) == (200, b"", "1024")


@pytest.fixture(scope="module")
def certificate() -> Certificate:
    return issue(("10.0.2.2", "127.0.0.1"), ())


def _end_of(client: socket.socket) -> bytes:
    with suppress(ConnectionResetError):
        return client.recv(1)
    return b""


@pytest.mark.parametrize("is_tls", [False, True])
def test_leaving_cuts_off_a_client_that_says_nothing_more(
    is_tls: bool, certificate: Certificate
) -> None:
    before = threading.enumerate()
    with ThreadPoolExecutor(1) as pool:
        with serve({}, certificate if is_tls else None) as web:
            # It gives up after half of what the server waits for a silent client.
            client = socket.create_connection(("127.0.0.1", web.port), timeout=30)
            client.sendall(b"GET / HT"[: 0 if is_tls else None])
            while len(threading.enumerate()) < len(before) + 2:
                time.sleep(0.01)  # until the connection has its thread
            end = pool.submit(_end_of, client)

        with client:
            assert end.result() == b""
    assert threading.enumerate() == before


def test_a_connection_that_comes_while_the_server_ends_is_cut_off() -> None:
    server = _Server({}, None)
    ours, theirs = socket.socketpair()
    theirs.settimeout(1)
    with server, ours, theirs:
        server.cut_off()

        with server._kept(ours):
            assert theirs.recv(1) == b""


def _get(web: WebServer, ca_pem: str) -> bytes:
    trust = ssl.create_default_context(cadata=ca_pem)
    connection = HTTPSConnection("127.0.0.1", web.port, timeout=5, context=trust)
    connection.request("GET", f"/{web.token}/")
    read = connection.getresponse().read()
    connection.close()
    return read


def test_tls_clients_are_served_by_the_certificate(certificate: Certificate) -> None:
    with serve({"/": b"hello"}, certificate) as web:
        # One that does not even begin a handshake blocks no other.
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


def test_a_client_that_does_not_trust_the_server_is_kept_as_a_problem(
    certificate: Certificate,
) -> None:
    stranger = issue(("127.0.0.1",), ()).ca_pem
    with (
        serve({"/": b"hello"}, certificate) as web,
        pytest.raises(ssl.SSLCertVerificationError),
    ):
        _get(web, stranger)

    assert web.requests == []
    assert any("alert unknown ca" in problem for problem in web.problems)
