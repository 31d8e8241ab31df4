"""Which images of a release belong to a node image, by the tags of the release. Pure.

Source: openshift/os and openshift/driver-toolkit name their images so: `rhel-coreos-10`,
`rhel-coreos-10-extensions`, `driver-toolkit-10`, and without a number for the first stream.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

_COREOS = re.compile(r"(?:rhel|stream)-coreos(?:-\d+)?(?:-extensions)?")
_NODE = re.compile(r"(?:rhel|stream)-coreos(-\d+)?")


def coreos_specs(specs: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """Return tag and pull spec of each node image and extensions image."""
    return tuple(sorted(found for found in specs.items() if _COREOS.fullmatch(found[0])))


def extensions_tag(node_tag: str) -> str:
    """Return the tag of the extensions image that belongs to a node image."""
    return f"{node_tag}-extensions"


def driver_toolkit_tag(node_tag: str) -> str:
    """Return the tag of the driver toolkit that belongs to a node image."""
    found = _NODE.fullmatch(node_tag)
    return f"driver-toolkit{found[1] or ''}" if found else "driver-toolkit"
