"""URLs without what may be a secret in them: user, password, query and fragment. Pure."""

from __future__ import annotations

import re

# A password may have characters that RFC 3986 allows only as %XX. Then an @ follows what looks like
# a port that is no number, or like a query. The `@sha256:` of an image is behind a slash.
_SECRETS = re.compile(
    r"(?<=//)(?:[^/?#]*@|(?!\[)[^/?#@:]*:(?:[^/@\s]*|(?![\d\s])[^@]*)@)|[?#].*", re.DOTALL
)
_END = r"""\s"'`<>"""
_QUOTED = re.compile(
    rf"(?P<stream>\bstream:)?(?P<scheme>\b[a-z][a-z0-9+.-]*://|\bdocker:)"
    rf"(?P<user>(?:[^/?#{_END}]*|(?!\[)[^/?#@:{_END}]*:(?:[^/@{_END}]*|(?!\d)[^@{_END}]{{0,300}}))"
    rf"@(?!sha\d{{3}}:))?"
    rf"(?P<name>[^?#{_END}]*)(?P<query>\?[^#{_END}]*?)?(?P<fragment>#[^{_END}]*?)?"
    rf"(?=[.,:;)]{{0,9}}(?:[{_END}#]|\Z))",
    re.IGNORECASE,
)


def shown_url(url: str) -> str:
    """Return the URL as it may be printed: without user, password, query and fragment."""
    return _SECRETS.sub("", url)


def with_shown_urls(text: str) -> str:
    """Return text that quotes URLs and references, each as it may be printed.

    The fragment of `stream:URL#x86_64/qemu/qcow2.gz` stays: it names the disk.
    """
    return _QUOTED.sub(_shown, text) if "://" in text or "docker:" in text else text


def _shown(found: re.Match[str]) -> str:
    place = (found["fragment"] or "") if found["stream"] else ""
    return f"{found['stream'] or ''}{found['scheme']}{found['name']}{place}"
