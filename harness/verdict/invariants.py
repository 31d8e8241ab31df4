"""What live-apply must keep or do, judged on the snapshots before and after; pure.

Each check gives what was seen where the invariant is broken, and None where it holds.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping

from harness.model.node_state import NodeState
from harness.verdict.rows import Invariant

RESTART_LIMIT = 3
"""So many restarts since the first snapshot are a loop, though the unit be active just now."""

RESTART_LIMIT_STARTING = 2
"""And so many for a unit that is starting. Source: CheckMachine of kola."""

_SHOWN = 5


def broken(
    name: Invariant, before: NodeState, after: NodeState, base_version: str | None
) -> str | None:
    """Return what was seen instead of the invariant, or None where it holds."""
    if name is Invariant.VERSION_INHERITED:
        return _version(before, after, base_version)
    return _CHECKS[name](before, after)


def _boot_id(before: NodeState, after: NodeState) -> str | None:
    return _unchanged("boot id", before.boot_id, after.boot_id)


def _kernel(before: NodeState, after: NodeState) -> str | None:
    return _unchanged("kernel", before.kernel, after.kernel)


def _unchanged(what: str, was: str, now: str) -> str | None:
    return None if was == now else f"{what} before: {was}; after: {now}"


def _failed_units(before: NodeState, after: NodeState) -> str | None:
    known = {name for name, unit in before.units.items() if unit.is_failed}
    return _listing(str(u) for n, u in after.units.items() if u.is_failed and n not in known)


def _avcs(before: NodeState, after: NodeState) -> str | None:
    known = {_denial(line) for line in before.avcs}
    new = {_denial(line): line for line in after.avcs if _denial(line) not in known}
    return _listing(new.values())


def _denial(line: str) -> str:
    """Return what makes a denial the same: not its time, process, inode or MCS categories."""
    permissions = re.search(r"\{.*?\}", line)
    fields = dict(re.findall(r'\b(comm|scontext|tcontext|tclass)="?([^"\s]+)', line))
    for context in {"scontext", "tcontext"} & set(fields):
        fields[context] = ":".join(fields[context].split(":")[:3])
    return f"{permissions[0] if permissions else ''} {sorted(fields.items())}"


def _links(before: NodeState, after: NodeState) -> str | None:
    return _listing(sorted(after.dangling_links - before.dangling_links))


def _usr(before: NodeState, after: NodeState) -> str | None:
    was, now = before.mount_at("/usr"), after.mount_at("/usr")
    if now is not None and now != was:
        return None
    return f"on /usr after: {now.root} of {now.source}, as before" if now else "no mount on /usr"


def _modules(before: NodeState, after: NodeState) -> str | None:
    """Hold /usr/lib/modules to be a mount of the folder that was there at boot."""
    now = after.mount_at("/usr/lib/modules")
    booted = before.mount_at("/usr") or before.mount_at("/")
    if booted is None:
        return "before: no mount on /"
    below = "lib/modules" if booted.mount_point == "/usr" else "usr/lib/modules"
    folder = f"{booted.root.rstrip('/')}/{below}"
    if now is not None and (now.device, now.root) == (booted.device, folder):
        return None
    seen = f"{now.root} of device {now.device}" if now else "no mount"
    return f"on /usr/lib/modules after: {seen}; booted: {folder} of device {booted.device}"


def _restarts(before: NodeState, after: NodeState) -> str | None:
    loops = []
    for name, unit in after.units.items():
        restarts = unit.restarts - (before.units[name].restarts if name in before.units else 0)
        starting = unit.active == "activating"
        if restarts >= (RESTART_LIMIT_STARTING if starting else RESTART_LIMIT):
            loops.append(str(unit))
    return _listing(loops)


def _version(before: NodeState, after: NodeState, base_version: str | None) -> str | None:
    expected = base_version or before.os_release.get("OSTREE_VERSION")
    now, release = (after.os_release.get(key) for key in ("OSTREE_VERSION", "VERSION_ID"))
    if now is None or now != expected:
        return f"OSTREE_VERSION after: {now or 'absent'}; the base has {expected or 'none'}"
    if not release or not now.startswith(f"{release}."):
        return f"OSTREE_VERSION after: {now}, but VERSION_ID is {release or 'absent'}"
    return None


def _listing(items: Iterable[str]) -> str | None:
    """Return the first items on one line each, or None for none."""
    found = list(items)
    more = [f"and {len(found) - _SHOWN} more"] if len(found) > _SHOWN else []
    return "\n          ".join([*found[:_SHOWN], *more]) or None


_CHECKS: Mapping[Invariant, Callable[[NodeState, NodeState], str | None]] = {
    Invariant.BOOT_ID_UNCHANGED: _boot_id,
    Invariant.KERNEL_UNCHANGED: _kernel,
    Invariant.NO_NEW_FAILED_UNITS: _failed_units,
    Invariant.NO_NEW_AVC: _avcs,
    Invariant.NO_DANGLING_LINKS: _links,
    Invariant.USR_IS_OVERLAID: _usr,
    Invariant.MODULES_KEPT: _modules,
    Invariant.NO_RESTART_LOOP: _restarts,
}
SECTIONS: Mapping[Invariant, str] = {
    Invariant.BOOT_ID_UNCHANGED: "boot-id",
    Invariant.KERNEL_UNCHANGED: "kernel",
    Invariant.NO_NEW_FAILED_UNITS: "units",
    Invariant.NO_NEW_AVC: "avc",
    Invariant.NO_DANGLING_LINKS: "dangling",
    Invariant.VERSION_INHERITED: "os-release",
    Invariant.USR_IS_OVERLAID: "mounts",
    Invariant.MODULES_KEPT: "mounts",
    Invariant.NO_RESTART_LOOP: "units",
}
"""The section of the snapshot that each is judged by."""
