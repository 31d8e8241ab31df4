"""What an API server answers to `/readyz?verbose`. Source: Kubernetes, apiserver healthz."""

from __future__ import annotations

_LONGEST = 2000


def why_not_ready(text: str) -> str:
    """Return the checks that fail in what `/readyz?verbose` says, or its beginning."""
    failing = [line for line in text.splitlines() if line.startswith("[-]")]
    return "; ".join(failing) or text.strip()[:_LONGEST]
