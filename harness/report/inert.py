"""Text of guests, tests and users made harmless for a page.

Prow's HTML lens puts a whole page into the `srcdoc` of an iframe and escapes nothing but double
quotes, so there every character reference is resolved once more than in a browser of its own: an
escaped `<b>` becomes a tag. What this module returns stays text in both places.
Source: kubernetes-sigs/prow pkg/spyglass/lenses/html/html.go (extractDocumentDetails).
"""

from __future__ import annotations

import re
from urllib.parse import quote

from markupsafe import Markup, escape

from harness.model.escapes import printable

_LIKENESS = str.maketrans(
    {
        "<": "\N{SINGLE LEFT-POINTING ANGLE QUOTATION MARK}",
        ">": "\N{SINGLE RIGHT-POINTING ANGLE QUOTATION MARK}",
        "&": "+",
        '"': "\N{RIGHT DOUBLE QUOTATION MARK}",
        "'": "\N{RIGHT SINGLE QUOTATION MARK}",
    }
)
# After one of these a break opportunity, which shows nothing, keeps the parser from reading on.
_BROKEN = {"&amp;": "&amp;<wbr>", "&lt;": "&lt;<wbr>"}
_HAS_ADDRESS = re.compile(r"https?://[^/\s]")
_URL_MARKS = ":/?#[]@!$&()*+,;=%~"


def shown(value: object) -> object:
    """Return text as markup that shows just it; for content only, not for attributes."""
    if isinstance(value, Markup) or not isinstance(value, str):
        return value
    text = str(escape(printable(value)))
    for reference, broken in _BROKEN.items():
        text = text.replace(reference, broken)
    return Markup(text)  # noqa: S704 - escaped above


def plain(text: str) -> Markup:
    """Return one line without any character that means something to HTML or XML.

    For attributes and for the title of a page, where `shown` cannot be used.
    """
    line = " ".join(printable(text).split())
    return Markup(line.translate(_LIKENESS))  # noqa: S704 - nothing in it means anything


def path_link(path: str) -> Markup:
    """Return a relative path as the value of `href`."""
    return Markup(quote(path, errors="replace"))  # noqa: S704 - percent-encoded


def web_link(text: str) -> Markup | None:
    """Return an address of the web as the value of `href`, None for any other text."""
    if not _HAS_ADDRESS.match(text):
        return None
    address = quote(text, safe=_URL_MARKS, errors="replace")
    return Markup(address.replace("&", "&amp;"))  # noqa: S704 - no quote and no tag is left
