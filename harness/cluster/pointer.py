"""Pointer configs: what a machine starts with if its config is on a server.

Source: openshift/installer pkg/asset/ignition/machine/node.go, pointerIgnitionConfig.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping

from harness.model.ignition import SPEC_VERSION, Document, Json


def pointer(
    url: str, ca_pem: str | None = None, headers: Mapping[str, str] | None = None
) -> Document:
    """Return the config that merges the one at `url`; over HTTPS `ca_pem` is its server's CA.

    `headers` go with the request. Secrets in them stay secrets in the document.
    """
    source: dict[str, Json] = {"source": url}
    if headers:
        source["httpHeaders"] = [{"name": name, "value": text} for name, text in headers.items()]
    ignition: dict[str, Json] = {"version": SPEC_VERSION, "config": {"merge": [source]}}
    if ca_pem is not None:
        encoded = base64.b64encode(ca_pem.encode()).decode("ascii")
        trusted: list[Json] = [{"source": f"data:text/plain;charset=utf-8;base64,{encoded}"}]
        ignition["security"] = {"tls": {"certificateAuthorities": trusted}}
    return {"ignition": ignition}
