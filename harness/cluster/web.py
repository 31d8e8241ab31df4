"""An HTTP or HTTPS server on the host's loopback, for what guests fetch: configs, images, scripts.

Guests reach it through QEMU's user-mode network. An error of a client is logged and kept, and never
ends the server.
"""

from __future__ import annotations

import io
import logging
import os
import secrets
import socket
import ssl
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import SEEK_END, BytesIO
from typing import Any, BinaryIO, TypeVar
from urllib.parse import urlsplit

from harness.cluster import inbound
from harness.cluster.exchange import Answer, Request, Route, answer_of, takes_body
from harness.cluster.inbound import Inbound
from harness.model.drawn import PORT_OF, draw
from harness.model.errors import RigError
from harness.model.guest_network import HOST_IN_GUEST, LOOPBACK
from harness.pki.certificates import Certificate
from harness.sockets import shut

LOG = logging.getLogger(__name__)
T = TypeVar("T")
_IDLE_S = 60.0
_CHUNK_BYTES = 1 << 18
_MAX_KEPT = 10_000  # requests and problems
_LOOK_S = 0.02


@dataclass(slots=True, kw_only=True)
class WebServer:
    """A running server. `requests` and `problems` are in the order in which they came.

    Every path begins with `token`: what is served may have secrets, and all users reach the port.
    Bodies are not kept, nor the headers of requests without the token. `problems` are connections
    that ended early, as in a TLS handshake. Of both, the first 10 000 are kept.
    """

    port: int
    is_tls: bool
    token: str = field(repr=False)
    requests: list[Request] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    @property
    def url_in_guest(self) -> str:
        """The address of the routes for guests: scheme, host, port and token."""
        return self._url(HOST_IN_GUEST)

    @property
    def url(self) -> str:
        """The address of the routes for this host."""
        return self._url(LOOPBACK)

    def _url(self, host: str) -> str:
        return f"{'https' if self.is_tls else 'http'}://{host}:{self.port}/{self.token}"


@contextmanager
def serve(
    routes: Mapping[str, Route], certificate: Certificate | None = None
) -> Iterator[WebServer]:
    """Context manager that serves `routes`, by path, on a free port of the loopback.

    The guests of a kept checkpoint find port and token again in a later run, if the port is free.
    Routes may be added to the mapping while it is served. On leaving, open connections are closed.

    Raises:
        RigError: the certificate cannot be used.
    """
    context = None if certificate is None else _tls(certificate)
    server = _Server(routes, context)
    thread = threading.Thread(target=server.serve_forever, args=(_LOOK_S,), name="web")
    thread.start()
    try:
        yield server.web
    finally:
        server.shutdown()
        thread.join()
        server.cut_off()
        server.server_close()  # joins the threads of the connections


def _listening() -> socket.socket:
    """Return a socket that listens at the port that was drawn, or at any free one."""
    found: list[socket.socket] = []

    def listen(port: str) -> bool:
        try:
            found.append(socket.create_server((LOOPBACK, int(port))))
        except (OSError, ValueError, OverflowError):
            return False
        return True

    def listen_anywhere() -> str:
        found.append(socket.create_server((LOOPBACK, 0)))
        return str(found[0].getsockname()[1])

    draw(f"{PORT_OF}a web server", listen_anywhere, listen)
    return found[0]


def _tls(certificate: Certificate) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    # ssl reads certificates and keys from files only. This one has no name that a kill could leave.
    with os.fdopen(os.memfd_create("certificate"), "w") as file:
        file.write(certificate.certificate_pem + certificate.key_pem.reveal())
        file.flush()
        try:
            context.load_cert_chain(f"/proc/self/fd/{file.fileno()}")
        except ssl.SSLError as exc:
            remedy = "Report a bug of pytest-node-image; it makes this certificate itself."
            raise RigError("web server", f"unusable certificate: {exc}", remedy) from exc
    return context


class _Server(ThreadingHTTPServer):
    daemon_threads = False
    block_on_close = True

    def __init__(self, routes: Mapping[str, Route], context: ssl.SSLContext | None) -> None:
        listening = _listening()
        super().__init__(listening.getsockname(), _Connection, bind_and_activate=False)
        self.socket.close()
        self.socket = listening
        self.routes = routes
        self.web = WebServer(
            port=self.server_address[1], is_tls=context is not None,
            token=draw("token of a web server", lambda: secrets.token_hex(8)),
        )  # fmt: skip
        self._context = context
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._is_cut_off = False

    def finish_request(self, request: Any, client_address: Any) -> None:  # noqa: ANN401  # as in socketserver
        # The handshake is made in the connection's own thread, so that it does not block others.
        request.settimeout(_IDLE_S)
        with self._kept(request):
            if self._context is None:
                super().finish_request(request, client_address)
                return
            with (
                self._context.wrap_socket(
                    request, server_side=True, do_handshake_on_connect=False
                ) as wrapped,
                self._kept(wrapped),
            ):
                wrapped.do_handshake()
                super().finish_request(wrapped, client_address)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401  # as in socketserver
        problem = f"{client_address[0]}: {sys.exc_info()[1]}"
        LOG.info("web server: %s", problem)
        _keep(self.web.problems, problem)

    def cut_off(self) -> None:
        """End all connections."""
        with self._lock:
            self._is_cut_off = True
            for connection in self._open:
                shut(connection)

    @contextmanager
    def _kept(self, connection: socket.socket) -> Iterator[None]:
        with self._lock:
            self._open.add(connection)
            if self._is_cut_off:
                shut(connection)
        try:
            yield
        finally:
            with self._lock:
                self._open.discard(connection)


def _keep(kept: list[T], item: T) -> None:
    if len(kept) < _MAX_KEPT:
        kept.append(item)


class _Connection(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "pytest-node-image"
    sys_version = ""
    timeout = _IDLE_S
    server: _Server

    def setup(self) -> None:
        """Read the connection within bounds."""
        super().setup()
        self.rfile.close()
        self._inbound = Inbound(self.connection)
        self.rfile = io.BufferedReader(self._inbound)

    def handle_one_request(self) -> None:
        """Answer the next request of the connection."""
        self._inbound.begin(inbound.HEAD_WITHIN_S, inbound.MAX_HEAD_BYTES)
        super().handle_one_request()

    def handle_expect_100(self) -> bool:
        """Wait with *100 Continue* until the token and the route are known."""
        return True

    def _path(self) -> str:
        """Return the requested path, empty without the token."""
        path, token = urlsplit(self.path).path, f"/{self.server.web.token}/"
        return path.removeprefix(token[:-1]) if path.startswith(token) else ""

    def answer(self) -> None:
        """Answer one request, of any method."""
        path = self._path()
        size_bytes = inbound.body_bytes(self.headers.get_all("content-length", []))
        if size_bytes is None or "transfer-encoding" in self.headers:
            self.send_error(HTTPStatus.LENGTH_REQUIRED)
            return
        is_taken = takes_body(self.server.routes.get(path), self.command)
        if is_taken and size_bytes > inbound.MAX_BODY_BYTES:
            self.send_error(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
            return
        self.close_connection |= bool(size_bytes) and not is_taken
        body = self._body(size_bytes) if is_taken else b""
        self.connection.settimeout(_IDLE_S)
        names = self.headers.items() if path else ()
        headers = {name.lower(): value for name, value in names}
        self._answer(Request(method=self.command, path=path, headers=headers, body=body))
        if size_bytes and not is_taken:
            with suppress(OSError):
                self.connection.shutdown(socket.SHUT_WR)
                inbound.discard(self.rfile, self._inbound)

    def _body(self, size_bytes: int) -> bytes:
        if self.headers.get("expect", "").lower() == "100-continue":
            self.send_response_only(HTTPStatus.CONTINUE)
            self.end_headers()
        return inbound.read_body(self.rfile, self._inbound, size_bytes)

    def _answer(self, asked: Request) -> None:
        answer = answer_of(self.server.routes.get(asked.path), asked)
        if isinstance(answer.body, bytes):
            self._send(asked, answer, BytesIO(answer.body))
            return
        with answer.body.open("rb") as file:
            self._send(asked, answer, file)

    # Names that the parent class looks for.
    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = answer

    def log_message(self, format: str, *args: object) -> None:
        """Send the parent class's messages to the debug log."""
        LOG.debug("web server: %s: %s", self.client_address[0], format % args)

    def _send(self, asked: Request, answer: Answer, file: BinaryIO) -> None:
        size_bytes = file.seek(0, SEEK_END)
        file.seek(0)
        # Before it is sent, so that a client that got an answer is among the requests.
        _keep(self.server.web.requests, replace(asked, status=answer.status, body=b""))
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.content_type)
        self.send_header("Content-Length", str(size_bytes))
        if self.close_connection:
            self.send_header("Connection", "close")
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.end_headers()
        if asked.method != "HEAD":
            self._stream(file, size_bytes)

    def _stream(self, file: BinaryIO, left: int) -> None:
        while left and (chunk := file.read(min(left, _CHUNK_BYTES))):
            self.wfile.write(chunk)
            left -= len(chunk)
        if left:  # the file became shorter: the client must not take the next answer for its rest
            self.close_connection = True
