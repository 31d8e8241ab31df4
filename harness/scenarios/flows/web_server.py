"""UPI: a pointer leads to the config on the user's web server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

from harness.cluster.pointer import pointer
from harness.cluster.web import serve
from harness.model.guest_network import HOST_IN_GUEST
from harness.model.ignition import Document, render
from harness.pki.certificates import issue
from harness.player.plan import ByPointer, Service

if TYPE_CHECKING:
    from harness.player.site import Site

_SERVER = "web-server"
_PATH = "/bootstrap.ign"


def web_server(machine: str, *, is_secure: bool) -> Service:
    """Return the service `web-server`, which serves the config of `machine` and yields its pointer.

    With `is_secure` it speaks HTTPS, and the pointer has its CA.
    """
    return Service(name=_SERVER, run=partial(_serve, machine, is_secure))


@contextmanager
def _serve(machine: str, is_secure: bool, site: Site) -> Iterator[Document]:
    certificate = issue((HOST_IN_GUEST,), ()) if is_secure else None
    ca_pem = certificate.ca_pem if certificate else None
    with serve({_PATH: render(site.config_of(machine)).encode()}, certificate) as web:
        yield pointer(web.url_in_guest + _PATH, ca_pem)


BY_WEB_SERVER = ByPointer(service=_SERVER)
"""The pointer that leads to the service."""
