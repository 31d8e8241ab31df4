"""Whether URLs answer, without downloading what they name."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

import httpx

from harness.images.acquire.http_client import (
    is_passing,
    new_client,
    time_limit,
    url_fault,
)
from harness.model.clock import Deadline
from harness.model.errors import reason_of

_TRIES = 4
_AT_ONCE = 8
_NO_HEAD = (httpx.codes.METHOD_NOT_ALLOWED, httpx.codes.NOT_IMPLEMENTED)


def answers(urls: Iterable[str], deadline: Deadline) -> dict[str, str]:
    """Return why URLs do not answer, by URL; empty if all do. Nothing is downloaded.

    At most eight are asked at once. Each is asked again after a server error, up to four times in
    all. What is not asked by the deadline counts as not answering.
    """
    with new_client(deadline) as client, ThreadPoolExecutor(_AT_ONCE) as pool:
        asked = [*dict.fromkeys(urls)]
        problems = pool.map(lambda url: _asked(client, url, deadline), asked)
        return {url: problem for url, problem in zip(asked, problems, strict=True) if problem}


def _asked(client: httpx.Client, url: str, deadline: Deadline) -> str:
    """Return why a URL does not answer; empty if it does."""
    if fault := url_fault(url):
        return fault
    problem = "not asked: the time was over"
    for attempt in range(_TRIES):
        if deadline.is_over:
            break
        if attempt:
            deadline.clock.sleep(min(2.0**attempt, deadline.remaining_s))
        try:
            status = _status(client, url, deadline)
        except (httpx.InvalidURL, ValueError) as exc:
            return f"a malformed URL: {exc}"
        except httpx.RequestError as exc:
            problem = reason_of(exc)
            continue
        if httpx.codes.is_success(status):
            return ""
        problem = f"the server answered {status}"
        if not is_passing(status):
            break
    return problem


def _status(client: httpx.Client, url: str, deadline: Deadline) -> int:
    status = client.head(url, timeout=time_limit(deadline)).status_code
    if status not in _NO_HEAD:
        return status
    with client.stream("GET", url, timeout=time_limit(deadline)) as answer:
        return answer.status_code
