"""Requests and answers of the web server, without sockets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A client's request, and the status of its answer; header names are in lower case.

    Only a function gets a `body`, of up to 1 MiB, and only with another method than GET and HEAD.
    """

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes = b""
    status: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The answer to a request: bytes, or a file that is streamed."""

    body: bytes | Path
    status: int = 200
    content_type: str = "application/octet-stream"
    headers: Mapping[str, str] = field(default_factory=dict)


_WITHOUT_BODY = {"GET", "HEAD"}

Route = bytes | Path | Callable[[Request], Answer]
"""What answers at a path: a file or bytes for GET and HEAD, or a function for every method."""


def takes_body(route: Route | None, method: str) -> bool:
    """Return whether a request to `route` may have a body that is read."""
    return callable(route) and method not in _WITHOUT_BODY


def answer_of(route: Route | None, asked: Request) -> Answer:
    """Return the answer of `route`, *not found* without one."""
    if route is None:
        return refusal(HTTPStatus.NOT_FOUND, f"nothing is served at {asked.path}")
    if not isinstance(route, bytes | Path):
        return route(asked)
    if asked.method not in _WITHOUT_BODY:
        return refusal(HTTPStatus.METHOD_NOT_ALLOWED, f"{asked.path} can only be read")
    return Answer(body=route)


def refusal(status: int, sentence: str) -> Answer:
    """Return an answer with an error status and one sentence."""
    return Answer(body=f"{sentence}\n".encode(), status=status, content_type="text/plain")
