"""A machine-config server: the full Ignition config of a role, for machines with a pointer.

Like the operator's server it speaks HTTPS with a certificate authority that only the pointer names.
It is stricter: the operator's serves a default version to clients that name none, and converts for
those that know another one. This one refuses both, so that a wrong request of Ignition is noticed.

Source: openshift/machine-config-operator pkg/server/api.go.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus

from harness.cluster.exchange import Answer, Request, refusal
from harness.cluster.pointer import pointer
from harness.cluster.web import WebServer, serve
from harness.model.guest_network import HOST_IN_GUEST, LOOPBACK
from harness.model.ignition import Document, render
from harness.pki.certificates import issue

MASTER = "master"
WORKER = "worker"
_MEDIA_TYPE = "application/vnd.coreos.ignition+json"
# The highest version that Ignition knows. Source: coreos/ignition internal/resource/http.go
_ACCEPTED = re.compile(rf"{re.escape(_MEDIA_TYPE)}\s*;\s*version=(\d+)\.(\d+)\.(\d+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineConfigServer:
    """A server that answers; `web.requests` has what was requested."""

    web: WebServer
    ca_pem: str

    def url(self, role: str) -> str:
        """Return the URL of the config of `role` for guests."""
        return f"{self.web.url_in_guest}/config/{role}"

    def pointer(self, role: str) -> Document:
        """Return the pointer config of `role`."""
        return pointer(self.url(role), self.ca_pem)


@contextmanager
def serve_machine_configs(configs: Mapping[str, Document]) -> Iterator[MachineConfigServer]:
    """Serve `configs`, by role, over HTTPS while the block runs; secrets in them are revealed.

    The CA is made for this server alone. Roles are looked up at each request.
    """
    certificate = issue((HOST_IN_GUEST, LOOPBACK), ("localhost",))
    routes = {f"/config/{role}": partial(_answer, configs, role) for role in (MASTER, WORKER)}
    with serve({"/healthz": b"", **routes}, certificate) as web:
        yield MachineConfigServer(web=web, ca_pem=certificate.ca_pem)


def _answer(configs: Mapping[str, Document], role: str, asked: Request) -> Answer:
    if asked.method not in {"GET", "HEAD"}:
        return refusal(HTTPStatus.METHOD_NOT_ALLOWED, "configs can only be read")
    accept = asked.headers.get("accept", "")
    known = _ACCEPTED.search(accept)
    if known is None:
        return refusal(HTTPStatus.BAD_REQUEST, f"no Ignition asks like that: Accept is {accept!r}")
    if role not in configs:
        return refusal(HTTPStatus.NOT_FOUND, f"there is no config for the role {role}")
    version = _version(configs[role])
    ours, theirs = _numbers(version), tuple(map(int, known.groups()))
    if theirs[0] != ours[0] or theirs < ours:
        return refusal(
            HTTPStatus.BAD_REQUEST,
            f"the config has version {version}, and the client knows none beyond {known[0]}",
        )
    return Answer(body=render(configs[role]).encode(), content_type="application/json")


def _version(document: Document) -> str:
    ignition = document.get("ignition")
    return str(ignition.get("version")) if isinstance(ignition, dict) else ""


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))
