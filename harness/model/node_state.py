"""Snapshots of a booted system, read from the text that `fixtures/guest/observe` prints.

Tests judge those from before and after live-apply; nothing here talks to a guest.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from harness.model import os_release, units
from harness.model.errors import RigError
from harness.model.foreign import json_value
from harness.model.packages.nevra import Nevra
from harness.model.units import UnitState

_SNAPSHOT = "snapshot of the node"
_REMEDY = "Look at the journal in the artifacts, or report a bug of pytest-node-image."
SECTIONS = (
    "avc", "boot-id", "cmdline", "dangling", "deployments", "kernel", "mounts", "os-release",
    "packages", "paths", "units",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Mount:
    """One line of /proc/self/mountinfo. Source: proc(5)."""

    mount_point: str
    root: str
    device: str
    fstype: str
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """One ostree deployment, as `rpm-ostree status --json` lists it.

    `image_digest` is that of its container image, empty if it has none.
    """

    checksum: str
    version: str
    is_booted: bool
    image_digest: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeState:
    """A snapshot of a node. `problems` are errors of the commands that took it.

    `existing_paths` are those of the observed paths that exist, with links followed. `mounts` is in
    the order of mounting: of several at one mount point, the last is visible.
    """

    boot_id: str
    kernel: str
    cmdline: str
    os_release: Mapping[str, str]
    packages: Mapping[str, tuple[Nevra, ...]]
    units: Mapping[str, UnitState]
    mounts: tuple[Mount, ...]
    existing_paths: frozenset[str]
    dangling_links: frozenset[str]
    avcs: tuple[str, ...]
    deployments: tuple[Deployment, ...]
    problems: tuple[str, ...]

    def mount_at(self, path: str) -> Mount | None:
        """Return the visible mount at exactly `path`, if any."""
        return next((m for m in reversed(self.mounts) if m.mount_point == path), None)

    @property
    def booted(self) -> Deployment | None:
        """The deployment that runs, None on a live system or one without ostree."""
        return next((found for found in self.deployments if found.is_booted), None)

    def failure_of(self, section: str) -> str | None:
        """Return how the command of a section failed; its output is then not evidence."""
        start, end = f"{section}: ", re.compile(r" ended with status \d+$")
        return next((t for t in self.problems if t.startswith(start) and end.search(t)), None)


def parse(text: str) -> NodeState:
    """Return the snapshot in `text`.

    Raises:
        RigError: the text is truncated, or a section is missing, repeated or malformed.
    """
    # Not splitlines: it also splits at characters within journal lines.
    lines = text.removesuffix("\n").split("\n")
    found = _sections([line for line in lines if not line.startswith("%!")])
    packages = [Nevra.parse(line) for line in found["packages"]]
    return NodeState(
        boot_id=_only_line(found, "boot-id"),
        kernel=_only_line(found, "kernel"),
        cmdline=_only_line(found, "cmdline"),
        os_release=os_release.parse("\n".join(found["os-release"])),
        packages=_by_name(packages),
        units=units.parse("\n".join(found["units"])),
        mounts=tuple(_parse_mount(line) for line in found["mounts"]),
        existing_paths=frozenset(found["paths"]),
        dangling_links=frozenset(found["dangling"]),
        avcs=tuple(found["avc"]),
        deployments=_parse_deployments("\n".join(found["deployments"])),
        problems=tuple(line[2:] for line in lines if line.startswith("%!")),
    )


def _sections(lines: list[str]) -> Mapping[str, list[str]]:
    if not lines or lines[-1] != "%%end":
        last = f"the last line is {lines[-1][:80]!r}" if any(lines) else "it is empty"
        raise RigError(_SNAPSHOT, f"incomplete, its line %%end is missing: {last}", _REMEDY)
    sections: dict[str, list[str]] = {}
    current: list[str] = []
    for line in lines[:-1]:
        if line.startswith("%%"):
            name, current = line[2:], []
            if name in sections or name not in SECTIONS:
                raise RigError(_SNAPSHOT, f"unexpected section %%{name}", _REMEDY)
            sections[name] = current
        else:
            current.append(line)
    if missing := sorted(set(SECTIONS) - set(sections)):
        raise RigError(_SNAPSHOT, f"lacks the sections {', '.join(missing)}", _REMEDY)
    return sections


def _only_line(sections: Mapping[str, list[str]], name: str) -> str:
    lines = sections[name]
    if len(lines) != 1 or not lines[0].strip():
        problem = f"section %%{name} has {len(lines)} lines instead of one"
        raise RigError(_SNAPSHOT, problem, _REMEDY)
    return lines[0].strip()


def _by_name(packages: list[Nevra]) -> Mapping[str, tuple[Nevra, ...]]:
    """Group packages by name: several kernels and keys can be installed."""
    grouped: dict[str, tuple[Nevra, ...]] = {}
    for package in packages:
        grouped[package.name] = (*grouped.get(package.name, ()), package)
    return MappingProxyType(grouped)


def _parse_mount(line: str) -> Mount:
    # 36 35 98:0 /root /mnt rw,noatime master:1 - ext4 /dev/vda4 rw
    before, dash, after = line.partition(" - ")
    left, right = before.split(" "), after.split(" ")
    if not dash or len(left) < 6 or len(right) < 3:
        raise RigError("/proc/self/mountinfo", f"unexpected line {line!r}", _REMEDY)
    return Mount(
        mount_point=_unescape(left[4]), root=_unescape(left[3]), device=left[2],
        fstype=right[0], source=_unescape(right[1]),
    )  # fmt: skip


def _unescape(field: str) -> str:
    """Undo the octal escapes with which the kernel writes blanks and backslashes."""
    return re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), field)


def _parse_deployments(text: str) -> tuple[Deployment, ...]:
    if not text.strip():
        return ()
    try:
        return tuple(
            Deployment(
                checksum=str(entry["checksum"]),
                version=str(entry.get("version") or ""),
                is_booted=bool(entry.get("booted")),
                image_digest=str(entry.get("container-image-reference-digest") or ""),
            )
            for entry in json_value(text)["deployments"]
        )
    except (ValueError, KeyError, TypeError, AttributeError) as exc:
        problem = f"unexpected output {text[:200]!r}"
        raise RigError("`rpm-ostree status --json`", problem, _REMEDY) from exc
