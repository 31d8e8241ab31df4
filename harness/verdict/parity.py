"""Installation parity: compares a node from a bare bootimage with one from a fat bootimage. Pure.

The differences that the contract allows are data (`fixtures/parity.toml`), each with a source;
every other difference is a finding.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

import msgspec

from harness import tables
from harness.folders import fixture
from harness.model.node_state import NodeState

_KEY = "may_differ"
_ABSENT = "-"
# Mounts of containers, whose names differ in each run.
_CONTAINERS = ("/run/", "/var/lib/kubelet/", "/var/lib/containers/", "/var/lib/crio-stand-in/")
_CONTAINER_UNITS = ("run-", "var-lib-kubelet-", "var-lib-containers-", "var-lib-crio")
_SECTION_OF = {"dangling links": "dangling"}
_WIDEST = 48


class Allowance(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A difference that the contract allows; `name` is a shell pattern."""

    section: str
    name: str
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One difference; `source` is what allows it, None if nothing does."""

    section: str
    name: str
    thin: str
    fat: str
    source: str | None


def load(path: Path | None = None) -> tuple[Allowance, ...]:
    """Return the differences that the contract allows.

    Raises:
        InputError: the file cannot be read, or an entry is malformed.
    """
    listed = tables.read(path or fixture("parity.toml"), _KEY).entries(_KEY, Allowance)
    return tuple(allowance for _, allowance in listed)


def compare(
    thin: NodeState, fat: NodeState, allowances: tuple[Allowance, ...]
) -> tuple[Difference, ...]:
    """Return all differences of two end states; those that are not allowed come first.

    If the command of a section failed on either side, its output is not evidence. The section then
    counts as a difference that is not allowed.
    """
    was, now = _sections(thin), _sections(fat)
    failures = {section: _failures(section, thin, fat) for section in was}
    found = [
        Difference(section=section, name="snapshot", thin=failed[0], fat=failed[1], source=None)
        for section, failed in failures.items()
        if failed is not None
    ]
    found += [
        Difference(
            section=section, name=name, thin=was[section].get(name, _ABSENT),
            fat=now[section].get(name, _ABSENT), source=_source(section, name, allowances),
        )
        for section in was
        if failures[section] is None
        for name in sorted(was[section].keys() | now[section].keys())
        if was[section].get(name) != now[section].get(name)
    ]  # fmt: skip
    return tuple(sorted(found, key=lambda difference: difference.source is not None))


def table(differences: tuple[Difference, ...]) -> str:
    """Return the differences as a table of text, a line each."""
    rows = [("what", "bare bootimage", "fat bootimage", "why it may differ")]
    rows += [
        (f"{d.section} {d.name}", d.thin, d.fat, d.source or "IT MAY NOT") for d in differences
    ]
    widths = [min(_WIDEST, max(len(row[column]) for row in rows)) for column in range(3)]
    lines = (
        "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[3]])
        for row in rows
    )
    return "\n".join(lines) + "\n"


def _sections(state: NodeState) -> Mapping[str, Mapping[str, str]]:
    return {
        "kernel": {"release": state.kernel},
        "os-release": state.os_release,
        "packages": {name: ", ".join(map(str, found)) for name, found in state.packages.items()},
        # A unit that is loaded but inactive counts as absent.
        "units": {
            name: unit.active
            for name, unit in state.units.items()
            if unit.active != "inactive"
            and not (name.endswith(".mount") and name.startswith(_CONTAINER_UNITS))
        },
        "mounts": {
            mount.mount_point: f"{_root(mount.root, state)} ({mount.fstype})"
            for mount in state.mounts
            if not mount.mount_point.startswith(_CONTAINERS)
        },
        "paths": dict.fromkeys(state.existing_paths, "present"),
        "dangling links": dict.fromkeys(state.dangling_links, "present"),
        "deployments": {d.version: "booted" * d.is_booted or "kept" for d in state.deployments},
    }


def _failures(section: str, thin: NodeState, fat: NodeState) -> tuple[str, str] | None:
    failed = [state.failure_of(_SECTION_OF.get(section, section)) for state in (thin, fat)]
    return (failed[0] or _ABSENT, failed[1] or _ABSENT) if any(failed) else None


def _root(root: str, state: NodeState) -> str:
    """Return what is mounted, without the checksum in which two images always differ."""
    booted = state.booted
    return root.replace(booted.checksum, "BOOTED") if booted else root


def _source(section: str, name: str, allowances: tuple[Allowance, ...]) -> str | None:
    fitting = (a for a in allowances if a.section == section and fnmatchcase(name, a.name))
    return next((allowance.source for allowance in fitting), None)
