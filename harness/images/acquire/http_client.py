"""What all requests over http and https share: certificates, proxies, time limits, logs."""

from __future__ import annotations

import functools
import logging
import re
import socket
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Protocol, cast

import httpx

from harness.images.acquire.url import shown_url
from harness.model.clock import Deadline
from harness.sockets import shut

_ANSWER_WITHIN_S = 30.0
_LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
_MAX_REDIRECTS = 10
_MAX_PORT = 65535
_LAST_TRY_S = 1.0  # that a wait allows after its deadline

# httpx takes a bracket without its counterpart, and other signs, as part of a name.
_NAME = re.compile(r"[\w.-]+")
_URL = re.compile(r"https?://\S+")
FAULTS = (httpx.RequestError, httpx.InvalidURL, ValueError)
"""What a request can raise. ValueError is for hosts that redirects name, and numbers in heads."""


def url_fault(url: str) -> str:
    """Return what is malformed in a URL; empty if a server can be asked for it."""
    try:
        parsed = httpx.URL(url)
        parsed.host.encode("idna")  # an empty label crashes the resolver
    except httpx.InvalidURL as exc:
        return f"a malformed URL: {exc}"
    except UnicodeError:
        return "a malformed URL: its host or path is not text that DNS and HTTP can have"
    if not parsed.host:
        return "a malformed URL without a host"
    if "%20" in parsed.host:
        return "a malformed URL with a space in its host"
    if ":" not in parsed.host and not _NAME.fullmatch(parsed.host):  # httpx has checked IPv6
        return "a malformed URL with a character in its host that no host has"
    if parsed.port is not None and not 0 < parsed.port <= _MAX_PORT:  # sockets take it modulo 65536
        return f"a malformed URL with the port {parsed.port}"
    return ""


def status_text(answer: httpx.Response) -> str:
    """Return the status of an answer in words."""
    return f"the server answered {answer.status_code} {answer.reason_phrase}"


@contextmanager
def new_client(deadline: Deadline) -> Iterator[httpx.Client]:
    """Context manager that provides a client; its connections end at the deadline.

    httpx limits each read, so that a server could send a byte of a head each second for ever.
    Requests to loopback use no proxy.
    """
    logging.getLogger("httpx").addFilter(_shorten_urls)
    direct = {f"all://{host}": None for host in _LOOPBACK}
    with (
        _CutOff(deadline) as cut_off,
        httpx.Client(
            verify=_trust(), follow_redirects=True, max_redirects=_MAX_REDIRECTS, mounts=direct,
            event_hooks={"request": [cut_off.watch]},
        ) as client,
    ):  # fmt: skip
        yield client


class _Stream(Protocol):
    """A connection of httpcore."""

    def get_extra_info(self, info: str) -> socket.socket:
        """Return what the connection has by a name."""


class _CutOff:
    """Shuts the connections of a client at the deadline, from a thread."""

    def __init__(self, deadline: Deadline) -> None:
        self._timer = threading.Timer(max(_LAST_TRY_S, deadline.remaining_s), self._shut_all)
        self._timer.daemon = True
        self._lock = threading.Lock()
        self._sockets: list[socket.socket] = []
        self._is_over = False

    def __enter__(self) -> _CutOff:
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()
        self._timer.join()

    def watch(self, request: httpx.Request) -> None:
        """Have httpx show the connections of a request. Source: HTTPX, extensions, "trace"."""
        request.extensions = {**request.extensions, "trace": self._add}

    def _add(self, event: str, values: Mapping[str, object]) -> None:
        if not event.endswith(("connect_tcp.complete", "start_tls.complete")):
            return
        found = cast("_Stream", values["return_value"]).get_extra_info("socket")
        with self._lock:
            self._sockets.append(found)
            if self._is_over:
                shut(found)

    def _shut_all(self) -> None:
        with self._lock:
            self._is_over = True
            for each in self._sockets:
                shut(each)


@functools.cache
def _trust() -> ssl.SSLContext:
    """Return the certificates to trust; loading them takes up to a tenth of a second."""
    return httpx.create_ssl_context()


def _shorten_urls(record: logging.LogRecord) -> bool:
    """Shorten the URLs in httpx's log, which has them in full."""
    text = record.getMessage()
    record.msg, record.args = _URL.sub(lambda found: shown_url(found[0]), text), ()
    return True


def time_limit(deadline: Deadline) -> httpx.Timeout:
    """Return the limit of each wait for a server."""
    return httpx.Timeout(max(0.1, min(_ANSWER_WITHIN_S, deadline.remaining_s)))


def is_interrupted(exc: Exception) -> bool:
    """Return whether another try may succeed, after one of `FAULTS`."""
    return isinstance(exc, httpx.TransportError) and not isinstance(exc, httpx.UnsupportedProtocol)


def is_passing(status: int) -> bool:
    """Return whether a later request may succeed."""
    busy = (httpx.codes.REQUEST_TIMEOUT, httpx.codes.TOO_MANY_REQUESTS)
    return status in busy or httpx.codes.is_server_error(status)
