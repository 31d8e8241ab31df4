"""XML elements with attributes and text in one call."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from xml.etree import ElementTree as ET

_NO_ATTRIBUTES: Mapping[str, str] = MappingProxyType({})


def add(
    parent: ET.Element,
    tag: str,
    attributes: Mapping[str, str] = _NO_ATTRIBUTES,
    *,
    text: str | None = None,
) -> ET.Element:
    """Return a new last child of `parent`."""
    element = ET.SubElement(parent, tag, dict(attributes))
    element.text = text
    return element
