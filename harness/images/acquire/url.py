"""URLs of images: what is one, and how to print it. The plugin imports this in every session."""

from __future__ import annotations

import re

_SECRETS = re.compile(r"(?<=//)[^/?#]*@|[?#].*", re.DOTALL)


def is_url(text: str) -> bool:
    """Return whether `text` is an http or https URL."""
    return text.lower().startswith(("http://", "https://"))


def shown_url(url: str) -> str:
    """Return the URL as it may be printed: without user, password, query and fragment."""
    return _SECRETS.sub("", url)
