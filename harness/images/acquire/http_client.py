"""What all requests over http and https share: certificates, proxies, time limits, logs."""

from __future__ import annotations

import functools
import logging
import ssl

import httpx

from harness.images.acquire.url import shown_url
from harness.model.clock import Deadline

_ANSWER_WITHIN_S = 30.0
_LOOPBACK = ("127.0.0.1", "localhost", "[::1]")


def status_text(answer: httpx.Response) -> str:
    """Return the status of an answer in words."""
    return f"the server answered {answer.status_code} {answer.reason_phrase}"


def new_client() -> httpx.Client:
    """Return a client that the caller closes; requests to loopback use no proxy."""
    logging.getLogger("httpx").addFilter(_shorten_urls)
    direct = {f"all://{host}": None for host in _LOOPBACK}
    return httpx.Client(verify=_trust(), follow_redirects=True, mounts=direct)


@functools.cache
def _trust() -> ssl.SSLContext:
    """Return the certificates to trust; loading them takes up to a tenth of a second."""
    return httpx.create_ssl_context()


def _shorten_urls(record: logging.LogRecord) -> bool:
    """Shorten the URLs in httpx's log, which has them in full."""
    if isinstance(record.args, tuple):
        record.args = tuple(
            shown_url(str(part)) if isinstance(part, httpx.URL) else part for part in record.args
        )
    return True


def time_limit(deadline: Deadline) -> httpx.Timeout:
    """Return the limit of each wait for a server."""
    return httpx.Timeout(max(0.1, min(_ANSWER_WITHIN_S, deadline.remaining_s)))


def reason_of(exc: Exception) -> str:
    """Return the text of an error, or its kind if it has none."""
    return str(exc) or type(exc).__name__


def is_passing(status: int) -> bool:
    """Return whether a later request may succeed."""
    busy = (httpx.codes.REQUEST_TIMEOUT, httpx.codes.TOO_MANY_REQUESTS)
    return status in busy or httpx.codes.is_server_error(status)
