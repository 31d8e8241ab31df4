"""Whatever a server sends, a download ends with the content, one error, or at its deadline."""

from __future__ import annotations

import errno
import hashlib
import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

import pytest
from images_fakes import deadline

from harness.images.acquire import download as download_module
from harness.images.acquire import http_client
from harness.images.acquire.answers import answers
from harness.images.acquire.digest import Sha256
from harness.images.acquire.download import download, fetch_text
from harness.model.clock import Deadline
from harness.model.errors import DeadlineError, InputError

BODY = os.urandom(90_000)
SUM = Sha256(hashlib.sha256(BODY).hexdigest())
OK = b"HTTP/1.1 200 OK\r\n"
CLOSE = b"Connection: close\r\n"
Answer = Callable[[str, socket.socket], None]
"""Answers one request, of which it gets the head."""


@contextmanager
def answering(answer: Answer) -> Iterator[tuple[str, list[str]]]:
    """Serve a hostile answer; yield the URL and the heads of all requests."""
    heads: list[str] = []
    threads: list[threading.Thread] = []

    def serve_one(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            heads.append(connection.recv(65536).decode())
            answer(heads[-1], connection)

    def accept() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                threads.append(threading.Thread(target=serve_one, args=(connection,)))
                threads[-1].start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        acceptor = threading.Thread(target=accept)
        acceptor.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/disk", heads
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            acceptor.join()
            for thread in threads:
                thread.join()


def saying(answer: bytes) -> Answer:
    return lambda head, connection: connection.sendall(answer)


def drip(connection: socket.socket, begin: bytes, each: bytes) -> None:
    """Send `begin`, and then `each` again and again, slowly, until the client is gone."""
    connection.sendall(begin)
    connection.settimeout(0.02)
    while True:
        with suppress(TimeoutError):
            if not connection.recv(1):
                return
        connection.sendall(each)


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "disk"


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> Deadline:
    """Return a deadline of the real clock."""
    monkeypatch.setattr(http_client, "_LAST_TRY_S", 0.1)
    return Deadline.after(0.3)


ENDLESS: dict[str, tuple[bytes, bytes]] = {
    "status": (b"HTTP/1.1 200 O", b"K"),
    "head": (OK + b"X-Long: ", b"x"),
    "heads": (OK, b"X: y\r\n"),
    "interim": (b"", b"HTTP/1.1 103 Early Hints\r\n\r\n"),
    "body": (OK + b"Content-Length: 1000000\r\n\r\n", b"x"),
    "body-of-unknown-length": (OK + CLOSE + b"\r\n", b"x"),
    "size-of-a-chunk": (OK + b"Transfer-Encoding: chunked\r\n\r\n", b"0"),
    "name-of-a-chunk": (OK + b"Transfer-Encoding: chunked\r\n\r\n1;x=", b"y"),
    "trailer": (OK + b"Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nX: ", b"y"),
}


@pytest.mark.parametrize(("begin", "each"), ENDLESS.values(), ids=ENDLESS)
def test_slow_answer_ends_at_the_deadline(
    begin: bytes, each: bytes, target: Path, soon: Deadline
) -> None:
    with answering(lambda head, connection: drip(connection, begin, each)) as (url, _):
        with pytest.raises((DeadlineError, InputError), match=r"download of http|127\.0\.0\.1"):
            download(url, SUM, target, soon)

        assert soon.is_over
        assert not target.exists()


@pytest.mark.parametrize(("begin", "each"), ENDLESS.values(), ids=ENDLESS)
def test_slow_text_ends_at_the_deadline(begin: bytes, each: bytes, soon: Deadline) -> None:
    with (
        answering(lambda head, connection: drip(connection, begin, each)) as (url, _),
        pytest.raises(DeadlineError, match="download of http"),
    ):
        fetch_text(url, soon)


def redirected(location: bytes) -> Answer:
    return saying(b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: " + location + b"\r\n\r\n")


LOCATIONS = {
    "data": b"data:text/plain,x",
    "empty-label": b"http://a..b/",
    "long-label": b"http://" + b"a" * 70 + b".example/",
    "file": b"file:///etc/passwd",
    "ftp": b"ftp://127.0.0.1/x",
    "no-host": b"http:///x",
    "port": b"http://127.0.0.1:99999999/x",
    "not-utf-8": b"http://\xff\xfe/",
    "bracket": b"http://[::1/",
    "loop": b"/disk",
    "control": b"http://127.0.0.1/\x01",
    "idna": "http://\u2603\u0301..example/".encode(),
    "empty": b"",
    "unknown": b"x:y",
}


@pytest.mark.parametrize("location", LOCATIONS.values(), ids=LOCATIONS)
def test_redirect_to_nowhere_is_one_error(location: bytes, target: Path) -> None:
    with answering(redirected(location)) as (url, heads):
        with pytest.raises(InputError):
            download(url, SUM, target, deadline())
        with pytest.raises(InputError):
            fetch_text(url, deadline())
        assert answers([url], deadline())[url]

        assert len(heads) < 100


ODD_HEADS = {
    "nothing": b"",
    "no-http": b"SSH-2.0-OpenSSH_9.6\r\n",
    "length-of-letters": OK + b"Content-Length: abc\r\n\r\n",
    "length-of-5000-digits": OK + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\n",
    "negative-length": OK + b"Content-Length: -1\r\n\r\n",
    "two-lengths": OK + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    "implausible-length": OK + b"Content-Length: 99999999999999999\r\n\r\n",
    "chunk-of-5000-digits": OK + b"Transfer-Encoding: chunked\r\n\r\n" + b"f" * 5000 + b"\r\n",
    "odd-encoding": OK + b"Transfer-Encoding: gzip\r\n\r\nabc",
    "status-of-letters": b"HTTP/1.1 abc OK\r\n\r\n",
    "status-of-5-digits": b"HTTP/1.1 20000 OK\r\n\r\n",
    "zero-bytes": b"\0" * 5000,
    "long-head": OK + b"X: " + b"y" * 300_000 + b"\r\n\r\n",
    "range-not-asked-for": b"HTTP/1.1 416 Range Not Satisfiable\r\nContent-Length: 0\r\n\r\n",
    "switch": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
}


@pytest.mark.parametrize("answer", ODD_HEADS.values(), ids=ODD_HEADS)
def test_odd_head_is_one_error(answer: bytes, target: Path) -> None:
    with answering(saying(answer)) as (url, _):
        with pytest.raises(InputError):
            download(url, SUM, target, deadline())

        assert not target.exists()


def test_refused_range_is_not_reported_as_a_full_disk(target: Path) -> None:
    with (
        answering(saying(ODD_HEADS["range-not-asked-for"])) as (url, _),
        pytest.raises(InputError, match="the server answered 416"),
    ):
        download(url, SUM, target, deadline())


TAGS = [b'"good"', b"W/", b"\xff\xfe", b"x" * 9000, b"'; rm", b'"a\tb"', b""]


@pytest.mark.parametrize("tag", TAGS)
def test_no_tag_of_a_server_spoils_the_cache(tag: bytes, target: Path) -> None:
    (target.parent / "disk.etag").write_bytes(b"\xff\0" + tag)
    head = OK + b"ETag: " + tag + b"\r\nContent-Length: 90000\r\n\r\n"

    with answering(lambda _, connection: connection.sendall(head + BODY[:50_000])) as (url, _):
        with pytest.raises(InputError):
            download(url, SUM, target, deadline())
        assert not target.exists()
    with answering(saying(head + BODY)) as (url, _):
        download(url, SUM, target, deadline())

    assert target.read_bytes() == BODY


def partial(begin: int, said: bytes) -> bytes:
    length = b"Content-Length: %d\r\n" % (len(BODY) - begin)
    return b"HTTP/1.1 206 Partial Content\r\n" + length + CLOSE + said + b"\r\n" + BODY[begin:]


@pytest.mark.parametrize(
    "said",
    [
        b"Content-Range: bytes 0-89999/90000\r\n",
        b"Content-Range: bytes 99999999999999999999-1/1\r\n",
        b"Content-Range: bytes */90000\r\n",
        b"Content-Range: lines 50000-89999/90000\r\n",
        b"Content-Range: \xff\r\n",
        b"Content-Range:\r\n",
    ],
)
def test_server_that_never_continues_where_asked_is_an_error(said: bytes, target: Path) -> None:
    def answer(head: str, connection: socket.socket) -> None:
        whole = OK + b"Content-Length: 90000\r\n" + CLOSE + b"\r\n" + BODY[:50_000]
        connection.sendall(partial(0, said) if "range:" in head.lower() else whole)

    with answering(answer) as (url, heads):
        with pytest.raises(InputError, match="continues at another place than asked"):
            download(url, SUM, target, deadline())

        assert len(heads) < 20


def test_partial_answer_without_a_place_is_decided_by_the_sum(target: Path) -> None:
    target.with_name("disk.part").write_bytes(BODY[:50_000])

    with answering(saying(partial(50_000, b""))) as (url, _):
        download(url, SUM, target, deadline())

    assert target.read_bytes() == BODY


def test_server_that_cuts_at_other_places_is_an_error(target: Path) -> None:
    sizes = iter([50_000, *range(40_000, 30_000, -1000)])

    def answer(_: str, connection: socket.socket) -> None:
        connection.sendall(OK + b"Content-Length: 90000\r\n\r\n" + BODY[: next(sizes)])

    with answering(answer) as (url, heads):
        with pytest.raises(InputError, match="cannot be downloaded"):
            download(url, SUM, target, deadline())

        assert len(heads) < 10


@pytest.mark.parametrize("length", [b"", b"Content-Length: 9000000\r\n"])
def test_endless_body_ends_and_leaves_nothing(
    length: bytes, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download_module, "_MAX_BYTES", 1_000_000)

    def answer(_: str, connection: socket.socket) -> None:
        connection.sendall(OK + CLOSE + length + b"\r\n")
        while True:
            connection.sendall(bytes(65536))

    with answering(answer) as (url, _), pytest.raises(InputError, match="which no such file has"):
        download(url, SUM, target, deadline())

    assert list(target.parent.iterdir()) == []


def test_body_ends_at_its_announced_size(target: Path) -> None:
    answer = saying(OK + b"Content-Length: 90000\r\n\r\n" + BODY + b"more" * 9999)

    with answering(answer) as (url, _):
        download(url, SUM, target, deadline())

    assert target.read_bytes() == BODY


def test_full_disk_is_reported_and_freed(target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = Path.open

    def full(path: Path, mode: str = "r") -> BinaryIO:
        return opened(Path("/dev/full") if mode == "wb" else path, mode)  # type: ignore[return-value]

    monkeypatch.setattr(Path, "open", full)
    target.with_name("disk.part").touch()
    with (
        answering(saying(OK + b"Content-Length: 90000\r\n\r\n" + BODY)) as (url, _),
        pytest.raises(InputError, match=os.strerror(errno.ENOSPC)),
    ):
        download(url, SUM, target, deadline())

    assert list(target.parent.iterdir()) == []


def test_compressed_answer_is_not_unpacked() -> None:
    head = OK + b"Content-Encoding: gzip\r\nContent-Length: 3\r\n\r\n"

    with answering(saying(head + b"abc")) as (url, heads):
        assert fetch_text(url, deadline()) == "abc"

    assert "accept-encoding: identity" in heads[0].lower()
