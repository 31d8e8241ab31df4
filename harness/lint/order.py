"""Which units and scripts of a config run before the node layer is in place.

A bootstrap's generator makes `node-image-overlay.target` the default target, so only what that
target pulls in runs before the overlay. A machine of a cluster boots to its usual target and pivots
there, so all runs before but what waits for the pivot. Any other config says nothing of it, and
all that it calls counts as before.

Sources: openshift/installer data/data/bootstrap; openshift/machine-config-operator
templates/common/_base/units; bootup(7).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass

_TARGETS = ("node-image-overlay.target", "node-image-pivot.target")
_OVERLAYS = ("node-image-overlay.service", "node-image-pivot.service")
_PIVOT = "machine-config-daemon-firstboot.service"
# What every boot starts on the way to its default target, and what the overlay's target wants.
_ALWAYS = (
    "basic.target", "cryptsetup.target", "dbus.service", "dbus.socket", "default.target",
    "first-boot-complete.target", "getty.target", "sshd-keygen.target",
    "local-fs-pre.target", "local-fs.target", "network-pre.target", "network.target",
    "NetworkManager.service", "paths.target", "slices.target", "sockets.target", "sshd.service",
    "swap.target", "sysinit.target", "systemd-journald.service", "systemd-udevd.service",
    "systemd-user-sessions.service", "time-set.target", "timers.target",
)  # fmt: skip
_PULLS = (
    "Requires", "Requisite", "BindsTo", "Wants", "Upholds", "OnFailure", "OnSuccess", "Sockets",
)  # fmt: skip
_PULLED_BY = ("WantedBy", "RequiredBy", "UpheldBy")
_TRIGGERED = {".timer": "Unit", ".path": "Unit", ".socket": "Service"}
# Run by systemd or NetworkManager in every boot.
_RUN_BY_THE_SYSTEM = (
    "/etc/systemd/system-generators/", "/usr/lib/systemd/system-generators/",
    "/etc/systemd/system-environment-generators/", "/etc/NetworkManager/dispatcher.d/",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A unit or a script: units that it starts and scripts that it runs, by their names."""

    relations: Mapping[str, tuple[str, ...]]
    starts: Set[str]
    runs: Set[str]


def before_node_layer(
    units: Mapping[str, Part],
    scripts: Mapping[str, Part],
    enabled: Set[str],
    linked: Mapping[str, Set[str]],
) -> frozenset[str]:
    """Return the units and scripts, by name and path, that run before the node layer is there.

    `enabled` are the units whose [Install] section counts, `linked` those that a link gives to a
    target.
    """
    target = next((name for name in _TARGETS if name in units), None)
    if target is None and _PIVOT not in units:
        return frozenset({*units, *scripts})
    late = _ordered_after(units, _OVERLAYS if target else (_PIVOT,))
    pulled = _wanted_by(units, _with_also(units, enabled), linked)
    seen: set[str] = set()
    system = {path for path in scripts if path.startswith(_RUN_BY_THE_SYSTEM)}
    left = [*_ALWAYS, *system, target or "multi-user.target"]
    while left:
        name = left.pop()
        if name in seen or name in late:
            continue
        seen.add(name)
        left += pulled.get(name, ())
        if part := units.get(name) or scripts.get(name):
            left += _next(name, part)
    return frozenset(seen)


def _next(name: str, part: Part) -> Iterable[str]:
    for key in _PULLS:
        yield from part.relations.get(key, ())
    stem, _, suffix = name.rpartition(".")
    if key := _TRIGGERED.get(f".{suffix}", ""):
        yield from part.relations.get(key) or (f"{stem}.service",)
    yield from part.starts
    yield from part.runs


def _wanted_by(
    units: Mapping[str, Part], enabled: Set[str], linked: Mapping[str, Set[str]]
) -> dict[str, set[str]]:
    """Return the units that each other unit pulls in by their own [Install] section, or a link."""
    found = {target: set(names) for target, names in linked.items()}
    for name in enabled & set(units):
        for key in _PULLED_BY:
            for target in units[name].relations.get(key, ()):
                found.setdefault(target, set()).add(name)
    return found


def _with_also(units: Mapping[str, Part], enabled: Set[str]) -> set[str]:
    """Return the enabled units with those that they enable by Also=."""
    also = (name for unit in enabled & set(units) for name in units[unit].relations.get("Also", ()))
    return {*enabled, *also}


def _ordered_after(units: Mapping[str, Part], first: Iterable[str]) -> set[str]:
    """Return the units that wait for one of `first`, by After= and Before=, or for such a unit."""
    waits: dict[str, set[str]] = {}
    for name, part in units.items():
        for earlier in part.relations.get("After", ()):
            waits.setdefault(earlier, set()).add(name)
        waits.setdefault(name, set()).update(part.relations.get("Before", ()))
    late: set[str] = set()
    left = [name for one in first for name in waits.get(one, ())]
    while left:
        name = left.pop()
        if name not in late:
            late.add(name)
            left += waits.get(name, ())
    return late
