"""The ignition server of a hosted control plane: a node pool's config, for its token.

Source: openshift/hypershift ignition-server/cmd/start.go.
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http import HTTPStatus

from harness.cluster.exchange import Answer, Request, refusal
from harness.cluster.pointer import pointer
from harness.cluster.web import serve
from harness.model.guest_network import HOST_IN_GUEST, LOOPBACK
from harness.model.ignition import Document, render
from harness.pki.certificates import issue

_PATH = "/ignition"


@contextmanager
def served(config: Document) -> Iterator[Document]:
    """Context manager that serves `config` over HTTPS and yields the user-data that leads to it.

    CA and token are made for this server alone.
    """
    certificate = issue((HOST_IN_GUEST, LOOPBACK), ())
    token = base64.b64encode(secrets.token_bytes(24)).decode("ascii")
    routes = {_PATH: partial(_answer, config, f"Bearer {token}")}
    with serve(routes, certificate) as web:
        headers = {"Authorization": f"Bearer {token}"}
        yield pointer(web.url_in_guest + _PATH, certificate.ca_pem, headers)


def _answer(config: Document, authorization: str, asked: Request) -> Answer:
    given = asked.headers.get("authorization", "")
    if not secrets.compare_digest(given.encode(), authorization.encode()):
        return refusal(HTTPStatus.UNAUTHORIZED, "the token is not this node pool's")
    return Answer(body=render(config).encode(), content_type="application/json")
