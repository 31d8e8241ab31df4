"""Whether a delivered file may be shown in the evidence.

Only `redaction` uses this. A mode without access for others does not prove a secret: the installer
gives 0600 to every file, its units and scripts included. Source: openshift/installer
pkg/asset/ignition/bootstrap/common.go, `ignition.FileFromBytes(…, 0600, …)`.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator

_UNIT_FOLDERS = ("/etc/systemd/system", "/etc/systemd/user", "/etc/containers/systemd")
_UNIT_NAME = re.compile(
    r".*\.(?:service|socket|target|timer|path|mount|automount|swap|slice|scope|conf"
    r"|container|volume|network|kube|image|pod|build)"
)
_SECTION = re.compile(r"^\[[A-Za-z0-9-]+\][ \t]*$", re.MULTILINE)
_KIND = re.compile(r"""^[ \t-]*["']?kind["']?[ \t]*:[ \t]*["']?(\w+)""", re.MULTILINE)
_KIND_IN_JSON = re.compile(r'"kind"\s*:\s*"(\w+)"')
_API_VERSION = re.compile(r"""["']?apiVersion["']?[ \t]*:[ \t]*["']?[\w./-]+""")
_CONFIDENTIAL = frozenset({"Secret", "SecretList", "Config", "MachineConfig", "MachineConfigList"})
"""Kinds with secrets: Secrets, kubeconfigs (kind Config), files in machine configs."""

_DATA = re.compile(r"""([ \t-]*)["']?(?:data|stringData)["']?[ \t]*:[ \t]*""")
_DATA_IN_JSON = re.compile(r'"(?:data|stringData)"\s*:\s*\{([^{}]*)\}')
_STRING = re.compile(r':\s*"((?:[^"\\]++|\\.)*+)"')
# What no known sign covers. Logins of curl, skopeo and podman; words as random as a key.
_DOUBTS = (
    re.compile(
        r"(?:-u|--user|--proxy-user|--(?:src-|dest-)?creds)[ =][\"']?[^\s:\"']{1,100}:"
        r"(?![0-9]+\b)\S"
    ),
    re.compile(
        r"(?<![\w/@:.+=-])(?=[A-Za-z+/_-]*[0-9])(?=[a-z0-9+/_-]*[A-Z])(?=[A-Z0-9+/_-]*[a-z])"
        r"[A-Za-z0-9+/_-]{24,}={0,2}(?![\w.:/@-])"
    ),
)  # fmt: skip


def is_plain(path: str, text: str) -> bool:
    """Return whether a file is a unit, a quadlet, a script or a manifest of a kind without secrets.

    In doubt it is not: with a login on a command line, or a word as random as a key.
    """
    is_known = _is_unit(path, text) or text.startswith("#!") or _is_manifest(text)
    return is_known and not any(doubt.search(text) for doubt in _DOUBTS)


def is_confidential(text: str) -> bool:
    """Return whether a text is a manifest of a kind with secrets; its mode does not matter."""
    return _is_object(text) and not _CONFIDENTIAL.isdisjoint(_kinds(text))


def values_of(text: str) -> Iterator[str]:
    """Yield the values below `data` and `stringData` of a manifest, and what base64 has in them."""
    for value in (*_values_in_json(text), *_values_in_yaml(text)):
        yield value
        try:
            yield base64.b64decode(value, validate=True).decode()
        except (binascii.Error, ValueError):
            continue


def _values_in_json(text: str) -> Iterator[str]:
    for section in _DATA_IN_JSON.findall(text):
        yield from _STRING.findall(section)


def _values_in_yaml(text: str) -> Iterator[str]:
    section: int | None = None
    for line in text.splitlines():
        indent = len(line) - len(line.lstrip(" "))
        if found := _DATA.fullmatch(line):
            section = len(found[1])
        elif section is not None and line.strip() and indent <= section:
            section = None
        elif section is not None:
            name, colon, value = line.partition(": ")
            yield (value if colon else name).strip().strip("\"'")


def _is_unit(path: str, text: str) -> bool:
    is_below = any(path.startswith(f"{folder}/") for folder in _UNIT_FOLDERS)
    return is_below and bool(_UNIT_NAME.fullmatch(path)) and _SECTION.search(text) is not None


def _is_manifest(text: str) -> bool:
    return _is_object(text) and _CONFIDENTIAL.isdisjoint(_kinds(text))


def _is_object(text: str) -> bool:
    return _API_VERSION.search(text) is not None and bool(_kinds(text))


def _kinds(text: str) -> frozenset[str]:
    """Return the kinds of all objects in a text, those inside of lists and of other objects too."""
    return frozenset((*_KIND.findall(text), *_KIND_IN_JSON.findall(text)))
