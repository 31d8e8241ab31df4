"""An API server's answer to `/readyz?verbose`. Source: Kubernetes, apiserver healthz."""

from __future__ import annotations

_LONGEST = 2000


def why_not_ready(text: str) -> str:
    """Return the failed checks in an answer, or its beginning if there are none."""
    failing = [line for line in text.splitlines() if line.startswith("[-]")]
    return "; ".join(failing) or text.strip()[:_LONGEST]
