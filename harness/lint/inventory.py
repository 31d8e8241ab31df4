"""Which programs a bootimage has: it is booted bare once, and tells.

A disk image cannot be looked into from here without the host's help, and what counts is what a
booted system sees. The answer is kept in the cache, by the image's digest.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from harness import atomic, folders
from harness.guest import access
from harness.guest import files as guest_files
from harness.guest.validation import whole
from harness.images.bootimage import BootImage
from harness.machine.domain.architecture import CpuLevel
from harness.machine.machine import EVENTS_PORT, MachineSpec
from harness.model import os_release
from harness.model.clock import Deadline, NotYet, wait_for
from harness.model.command import candidates
from harness.model.errors import DeadlineError, RigError
from harness.model.ignition import Config, render
from harness.model.record import State
from harness.player.inputs import Rig
from harness.player.playing import machines
from harness.watching.evidence import Evidence
from harness.watching.watch import Watch

_NAME = "inventory"
_PROGRAM = "/usr/local/bin/node-image-harness-inventory"
_UNIT = "node-image-harness-inventory.service"
_MEMORY_MIB = 2048
# For hardware acceleration; `Rig.timeout_factor` stretches it.
_BOOT_S = 120.0
_LOOK_S = 0.5
_END = "%%end\n"
_MARK = "%%"


@dataclass(frozen=True, slots=True, kw_only=True)
class Inventory:
    """The programs of a bootimage by their paths, and its version, empty if it tells none."""

    commands: frozenset[str]
    version: str

    def has(self, command: str) -> bool:
        """Return whether a name or path leads to a program; False for what cannot be judged."""
        return any(path in self.commands for path in candidates(command))


def known(bootimage: BootImage) -> Inventory | None:
    """Return what the cache has of a bootimage, None when it was never asked."""
    try:
        kept = json.loads(_kept(bootimage).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    return Inventory(commands=frozenset(kept["commands"]), version=kept["version"])


def take(bootimage: BootImage, rig: Rig) -> Inventory:
    """Return what a bootimage has; the first time it is booted, which takes most of a minute.

    Raises:
        ProductError: it does not boot far enough to tell.
        RigError: the host cannot start the machine, or what was told is cut.
    """
    found = known(bootimage)
    if found is None:
        found = parse(_told(bootimage, rig))
        keep(bootimage, found)
    return found


def keep(bootimage: BootImage, inventory: Inventory) -> None:
    """Put what a bootimage has into the cache."""
    path = _kept(bootimage)
    path.parent.mkdir(exist_ok=True)
    kept = {"commands": sorted(inventory.commands), "version": inventory.version}
    atomic.write(path, json.dumps(kept).encode())


def parse(text: str) -> Inventory:
    """Return the inventory in what `fixtures/guest/inventory` tells, among other lines.

    Raises:
        RigError: its end or its programs are missing.
    """
    if _END not in text:
        raise RigError(f"the bootimage's list of programs has no end: {text[-200:]!r}")
    sections: dict[str, list[str]] = {}
    lines: list[str] = []
    for line in text.partition(_END)[0].splitlines():
        if line.startswith(_MARK):
            lines = sections.setdefault(line.removeprefix(_MARK), [])
        else:
            lines.append(line)
    programs = {line for line in sections.get("programs", ()) if line.startswith("/")}
    if not programs:
        raise RigError("the bootimage told of no program at all")
    told = os_release.parse("\n".join(sections.get("os-release", ())))
    version = told.get("OSTREE_VERSION") or told.get("VERSION", "")
    return Inventory(commands=frozenset(programs - {_PROGRAM}), version=version)


def config() -> Config:
    """Return the Ignition pieces that make a bootimage tell what it has."""
    return Config(
        files=(guest_files.program("inventory", _PROGRAM),),
        units=(guest_files.unit(f"units/{_UNIT}", enabled=True),),
    )


def _told(bootimage: BootImage, rig: Rig) -> str:
    """Return all that a bare boot tells on the port for events."""
    evidence = Evidence.begin(rig.evidence, _NAME, rig.redactor)
    spec = MachineSpec(
        name=_NAME, emulator=rig.emulator, acceleration=rig.acceleration,
        base=bootimage.path, base_format=bootimage.format.value,
        ignition=_ignition(evidence), memory_mib=rig.memory_mib or _MEMORY_MIB,
        cpu_level=CpuLevel.V3,  # for any RHEL: which one it is will be told
        hardware=rig.hardware,
    )  # fmt: skip
    with machines.watched(rig, spec, evidence) as watch:
        text = _waited_for(watch, Deadline.after(_BOOT_S * rig.timeout_factor))
        watch.note(state=State.UP)
    return text


def _ignition(evidence: Evidence) -> str:
    document = whole((config(), access.journal_stream()), ())
    evidence.keep_config(document)
    return render(document)


def _waited_for(watch: Watch, deadline: Deadline) -> str:
    try:
        return wait_for("the list of programs", partial(_whole, watch), deadline, _LOOK_S)
    except DeadlineError as exc:
        raise watch.stuck(str(exc)) from exc


def _whole(watch: Watch) -> str:
    watch.check_alive()
    path = watch.machine.port_files[EVENTS_PORT]
    text = path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""
    if _END not in text:
        raise NotYet("the bootimage has not told it")
    return text


def _kept(bootimage: BootImage) -> Path:
    """Return where the answer is kept; another way of asking has another place."""
    asked = guest_files.text("inventory")
    key = hashlib.sha256(f"{bootimage.sha256}\n{asked}".encode()).hexdigest()
    return folders.cache_dir() / "inventories" / f"{key}.json"
