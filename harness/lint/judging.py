"""Finds the calls of a config that its bootimage lacks, and those that the node layer has."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from dataclasses import dataclass

from harness.images.container.contents import Contents
from harness.lint.ignition_calls import Call, Reading
from harness.lint.inventory import Inventory
from harness.lint.os_questions import is_answered
from harness.lint.wants import Kind
from harness.model.command import candidates, is_program_path, normal

# Folders of the node layer's packages; a node image need not ship each file that a user expects.
_OWNED = {
    "/etc/crio/": "cri-o",
    "/etc/crictl.yaml": "cri-tools",
    "/etc/openvswitch/": "openvswitch",
    "/usr/share/crio/": "cri-o",
    "/usr/share/openvswitch/": "openvswitch",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """A call that the bootimage cannot answer.

    `path` and `package` are what the node image has for it, None if it lacks it too or is not
    known. `answer` is what the bootimage's os-release has instead.
    """

    call: Call
    path: str | None = None
    package: str | None = None
    answer: str | None = None


def missing_calls(
    reading: Reading, inventory: Inventory, contents: Contents | None
) -> Iterator[Missing]:
    """Yield the calls of a config that neither the bootimage nor the config can answer.

    A program counts wherever an image keeps programs. A file counts if the node layer has it.
    """
    for call in reading.calls:
        missing = _JUDGES[call.kind](call, reading, inventory, contents)
        if missing is not None:
            yield missing


def _program(
    call: Call, reading: Reading, inventory: Inventory, contents: Contents | None
) -> Missing | None:
    name = call.command
    if not candidates(name) or reading.delivers(name) or inventory.has(name):
        return None
    path, package = (contents.which(name) if contents else None) or (None, None)
    return Missing(call=call, path=path, package=package)


def _unit(
    call: Call, reading: Reading, inventory: Inventory, contents: Contents | None
) -> Missing | None:
    name = call.command
    if name in reading.units or name in inventory.units:
        return None
    path, package = (contents.unit(name) if contents else None) or (None, None)
    return Missing(call=call, path=path, package=package)


def _file(
    call: Call, reading: Reading, inventory: Inventory, contents: Contents | None
) -> Missing | None:
    path = call.command
    clean = normal(path)
    if is_program_path(clean):
        return _program(call, reading, inventory, contents)
    is_there = reading.has_folder(path) if path.endswith("/") else clean in reading.delivered
    if is_there or inventory.has_file(path):
        return None
    found = contents.below(clean) if contents else None
    owner = next((one for prefix, one in _OWNED.items() if f"{path}/".startswith(prefix)), None)
    if found is None and owner is None:
        return None
    at, package = found or (posixpath.dirname(path), owner)
    return Missing(call=call, path=at, package=package)


def _os_release(
    call: Call, _reading: Reading, inventory: Inventory, _contents: Contents | None
) -> Missing | None:
    if is_answered(call.command, inventory.os_release):
        return None
    return Missing(call=call, answer=inventory.os_release.get(call.command.partition("=")[0]))


_JUDGES = {
    Kind.PROGRAM: _program,
    Kind.UNIT: _unit,
    Kind.FILE: _file,
    Kind.OS_RELEASE: _os_release,
}
