"""Checks what must be kept or done on the way to the node layer, on two snapshots. Pure.

Each check returns what was seen where the invariant is broken, and None where it holds.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from harness.model.units import UnitState
from harness.model.versions.version import parsed
from harness.model.way import Way
from harness.verdict.passage import Passage
from harness.verdict.phrases import listing
from harness.verdict.rows import Invariant

RESTART_LIMIT = 3
"""An active unit with this many restarts since the first snapshot is in a loop."""

RESTART_LIMIT_STARTING = 2
"""The same for a unit that is starting. Source: CheckMachine of kola."""

_SHOWN = 5
# Installers of 4.19 to 4.21 have no KillMode=none in it: the isolate that it starts may kill it.
# Source: https://github.com/okd-project/okd/issues/2288
_WAY_BACK = "node-image-finish.service"
# They only wait, for a time server that is not there or a network that is slow, and time out before
# or after the snapshot, as fast as the host is. Source: https://github.com/okd-project/okd/issues/2341
_WAITS = frozenset(
    {
        "chrony-wait.service", "systemd-time-wait-sync.service", "ntp-wait.service",
        "NetworkManager-wait-online.service", "systemd-networkd-wait-online.service",
    }
)  # fmt: skip


def broken(name: Invariant, passage: Passage) -> str | None:
    """Return what was observed if the invariant does not hold, None if it does."""
    return _CHECKS[name](passage)


def _boot_id(passage: Passage) -> str | None:
    return _unchanged("boot id", passage.before.boot_id, passage.after.boot_id)


def _kernel(passage: Passage) -> str | None:
    return _unchanged("kernel", passage.before.kernel, passage.after.kernel)


def _unchanged(what: str, was: str, now: str) -> str | None:
    return None if was == now else f"{what} before: {was}; after: {now}"


def _failed_units(passage: Passage) -> str | None:
    before, after = passage.before, passage.after
    known = {name for name, unit in before.units.items() if unit.is_failed}
    return listing(
        (str(u) for n, u in after.units.items() if _is_fault(u) and n not in known), _SHOWN
    )


def _is_fault(unit: UnitState) -> bool:
    """Return whether a unit failed, and not by a race or as early or late as the host is fast."""
    is_race = unit.name == _WAY_BACK and unit.result == "signal"
    return unit.is_failed and not is_race and unit.name not in _WAITS


def _avcs(passage: Passage) -> str | None:
    before, after = passage.before, passage.after
    known = {_denial(line) for line in before.avcs}
    new = {_denial(line): line for line in after.avcs if _denial(line) not in known}
    return listing(new.values(), _SHOWN)


def _denial(line: str) -> str:
    """Return a denial without its time, process, inode and MCS categories, to compare it."""
    permissions = re.search(r"\{.*?\}", line)
    fields = dict(re.findall(r'\b(comm|scontext|tcontext|tclass)="?([^"\s]+)', line))
    for context in {"scontext", "tcontext"} & set(fields):
        fields[context] = ":".join(fields[context].split(":")[:3])
    return f"{permissions[0] if permissions else ''} {sorted(fields.items())}"


def _links(passage: Passage) -> str | None:
    before, after = passage.before, passage.after
    return listing(sorted(after.dangling_links - before.dangling_links), _SHOWN)


def _usr(passage: Passage) -> str | None:
    before, after = passage.before, passage.after
    was, now = before.mount_at("/usr"), after.mount_at("/usr")
    if now is not None and now != was:
        return None
    return f"on /usr after: {now.root} of {now.source}, as before" if now else "no mount on /usr"


def _modules(passage: Passage) -> str | None:
    """Check that /usr/lib/modules is a mount of the folder that was there at boot."""
    before, after = passage.before, passage.after
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


def _restarts(passage: Passage) -> str | None:
    before, after = passage.before, passage.after
    # systemd counts anew in each boot.
    earlier = before.units if before.boot_id == after.boot_id else {}
    loops = []
    for name, unit in after.units.items():
        restarts = unit.restarts - (earlier[name].restarts if name in earlier else 0)
        starting = unit.active == "activating"
        if restarts >= (RESTART_LIMIT_STARTING if starting else RESTART_LIMIT):
            loops.append(str(unit))
    return listing(loops, _SHOWN)


def _version(passage: Passage) -> str | None:
    expected = passage.base_version or passage.before.os_release.get("OSTREE_VERSION")
    now, release = (passage.after.os_release.get(key) for key in ("OSTREE_VERSION", "VERSION_ID"))
    if now is None or now != expected:
        return f"OSTREE_VERSION after: {now or 'absent'}; the base has {expected or 'none'}"
    known = parsed(now)
    # VERSION_ID is OpenShift's version where CoreOS versions begin with that.
    prefix = known.ocp if known and known.ocp else now
    if not release or not f"{prefix}.".startswith(f"{release}."):
        return f"OSTREE_VERSION after: {now}, but VERSION_ID is {release or 'absent'}"
    return None


def _reboots(passage: Passage) -> str | None:
    seen = passage.boots - 1
    return None if seen <= passage.reboots else f"reboots: {seen}; allowed: {passage.reboots}"


def _taken_image(passage: Passage) -> str | None:
    if passage.taken is None or passage.digest is None:
        return None
    if not passage.taken:
        # A pivot shows its image in the deployment.
        return None if passage.way is Way.PIVOT else "no line `Target node image is ...` was seen"
    digest = passage.taken.partition("@")[2] or passage.taken
    if digest in {passage.digest, *passage.aliases}:
        return None
    return f"the node pulled {passage.taken}; under test is {passage.digest}"


def _booted_image(passage: Passage) -> str | None:
    booted = passage.after.booted
    if booted is None:
        return "after: no deployment of ostree's is booted"
    if booted.image_digest == passage.digest:
        return None
    made_from = booted.image_digest or "no container image"
    return f"booted: deployment {booted.checksum[:12]} of {made_from}; expected: {passage.digest}"


def _kept_bootimage(passage: Passage) -> str | None:
    first = passage.before.booted
    if first is None:
        return "before: no deployment of ostree's is booted"
    kept = [found.checksum for found in passage.after.deployments if not found.is_booted]
    if first.checksum in kept:
        return None
    names = ", ".join(checksum[:12] for checksum in kept) or "none"
    return f"besides the booted one: {names}; expected: {first.checksum[:12]}"


def _nothing(passage: Passage) -> str | None:
    before, after = passage.before, passage.after
    was, now = (
        {str(nevra) for installed in state.packages.values() for nevra in installed}
        for state in (before, after)
    )
    fields = dict(before.os_release).items() ^ dict(after.os_release).items()
    changes = [f"package came: {nevra}" for nevra in sorted(now - was)]
    changes += [f"package went: {nevra}" for nevra in sorted(was - now)]
    changes += [f"os-release {key}" for key in sorted({key for key, _ in fields})]
    if before.mount_at("/usr") != after.mount_at("/usr"):
        changes.append(f"mounted on /usr: {after.mount_at('/usr')}")
    return listing(changes, _SHOWN)


_CHECKS: Mapping[Invariant, Callable[[Passage], str | None]] = {
    Invariant.BOOT_ID_UNCHANGED: _boot_id,
    Invariant.KERNEL_UNCHANGED: _kernel,
    Invariant.NO_NEW_FAILED_UNITS: _failed_units,
    Invariant.NO_NEW_AVC: _avcs,
    Invariant.NO_DANGLING_LINKS: _links,
    Invariant.USR_IS_OVERLAID: _usr,
    Invariant.MODULES_KEPT: _modules,
    Invariant.NO_RESTART_LOOP: _restarts,
    Invariant.VERSION_INHERITED: _version,
    Invariant.NO_ADDITIONAL_REBOOTS: _reboots,
    Invariant.NODE_IMAGE_IS_TAKEN: _taken_image,
    Invariant.NODE_IMAGE_IS_BOOTED: _booted_image,
    Invariant.BOOTIMAGE_IS_KEPT: _kept_bootimage,
    Invariant.NOTHING_CHANGED: _nothing,
}
SECTIONS: Mapping[Invariant, tuple[str, ...]] = {
    Invariant.BOOT_ID_UNCHANGED: ("boot-id",),
    Invariant.KERNEL_UNCHANGED: ("kernel",),
    Invariant.NO_NEW_FAILED_UNITS: ("units",),
    Invariant.NO_NEW_AVC: ("avc",),
    Invariant.NO_DANGLING_LINKS: ("dangling",),
    Invariant.VERSION_INHERITED: ("os-release",),
    Invariant.USR_IS_OVERLAID: ("mounts",),
    Invariant.MODULES_KEPT: ("mounts",),
    Invariant.NO_RESTART_LOOP: ("units",),
    Invariant.NO_ADDITIONAL_REBOOTS: (),
    Invariant.NODE_IMAGE_IS_TAKEN: (),
    Invariant.NODE_IMAGE_IS_BOOTED: ("deployments",),
    Invariant.BOOTIMAGE_IS_KEPT: ("deployments",),
    Invariant.NOTHING_CHANGED: ("packages", "os-release", "mounts"),
}
"""The sections of the snapshot that each is judged by; reboots are seen from outside."""
