"""The programs, units and settings of a bootimage, as the booted system reports them.

The bare image is booted once. The result is cached by the image's digest.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from harness import atomic, folders
from harness.guest import access
from harness.guest import files as guest_files
from harness.guest.validation import whole
from harness.images.bootimage import BootImage
from harness.machine.domain.architecture import CpuLevel
from harness.machine.spec import EVENTS_PORT, MachineSpec
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

LOG = logging.getLogger(__name__)
_NAME = "inventory"
_PROGRAM = "/usr/local/bin/node-image-harness-inventory"
_UNIT = "node-image-harness-inventory.service"
_MEMORY_MIB = 2048
# For hardware acceleration; `Rig.timeout_factor` stretches it.
_BOOT_S = 120.0
_LOOK_S = 0.5
_REMEDY = "Look at the console in the artifacts, or report a bug of pytest-node-image."
_END = "%%end\n"
_MARK = "%%"


@dataclass(frozen=True, slots=True, kw_only=True)
class Inventory:
    """The programs of a bootimage as paths, and its version, which is empty if it reports none.

    `files` are the paths of its settings; `os_release` has the fields of /etc/os-release.
    """

    commands: frozenset[str]
    version: str
    units: frozenset[str] = frozenset()
    files: frozenset[str] = frozenset()
    os_release: Mapping[str, str] = field(default_factory=dict)

    def has(self, command: str) -> bool:
        """Return whether a name or path is a program; False if that is unknown."""
        return any(path in self.commands for path in candidates(command))

    def has_file(self, path: str) -> bool:
        """Return whether `path` is a file, or a folder that is not empty."""
        path = path.rstrip("/")
        return path in self.files or any(file.startswith(f"{path}/") for file in self.files)


def known(bootimage: BootImage) -> Inventory | None:
    """Return the cached inventory of a bootimage, or None if there is none."""
    try:
        kept = json.loads(_kept(bootimage).read_text(encoding="utf-8"))
        lists = {name: frozenset(kept[name]) for name in ("commands", "units", "files")}
        return Inventory(version=kept["version"], os_release=kept["os_release"], **lists)
    except (OSError, ValueError, LookupError, TypeError):  # not there, or damaged
        return None


def take(bootimage: BootImage, rig: Rig) -> Inventory:
    """Return the inventory of a bootimage. The first call boots it, which takes about a minute.

    Raises:
        ProductError: it does not boot far enough to report its inventory.
        RigError: the host cannot start the machine, or the report is truncated.
    """
    found = known(bootimage)
    if found is None:
        found = parse(_reported(bootimage, rig))
        keep(bootimage, found)
    return found


def keep(bootimage: BootImage, inventory: Inventory) -> None:
    """Store the inventory of a bootimage in the cache; if it cannot be written, it is only logged.

    Raises:
        InputError: there is no cache folder.
    """
    path = _kept(bootimage)
    kept = {
        "version": inventory.version,
        "os_release": dict(inventory.os_release),
        "commands": sorted(inventory.commands),
        "units": sorted(inventory.units),
        "files": sorted(inventory.files),
    }
    try:
        path.parent.mkdir(exist_ok=True)
        atomic.write(path, json.dumps(kept).encode())
    except OSError as exc:
        LOG.warning("inventory is not kept, the next run boots again: %s: %s", path, exc.strerror)


def parse(text: str) -> Inventory:
    """Return the inventory in the output of `fixtures/guest/inventory`; other lines are ignored.

    Raises:
        RigError: its end or its programs are missing.
    """
    if _END not in text:
        problem = f"the list of programs is truncated after {text[-200:]!r}"
        raise RigError("bootimage", problem, _REMEDY)
    sections: dict[str, list[str]] = {}
    lines: list[str] = []
    for line in text.partition(_END)[0].splitlines():
        if line.startswith(_MARK):
            lines = sections.setdefault(line.removeprefix(_MARK), [])
        else:
            lines.append(line)
    programs = {line for line in sections.get("programs", ()) if line.startswith("/")}
    if not programs:
        raise RigError("bootimage", "the list of programs is empty", _REMEDY)
    fields = os_release.parse("\n".join(sections.get("os-release", ())))
    return Inventory(
        commands=frozenset(programs - {_PROGRAM}),
        version=fields.get("OSTREE_VERSION") or fields.get("VERSION", ""),
        units=frozenset(sections.get("units", ())) - {_UNIT},
        files=frozenset(sections.get("files", ())),
        os_release=dict(fields),
    )


def config() -> Config:
    """Return the Ignition config that makes a bootimage report its inventory."""
    return Config(
        files=(guest_files.program("inventory", _PROGRAM),),
        units=(guest_files.unit(f"units/{_UNIT}", enabled=True),),
    )


def _reported(bootimage: BootImage, rig: Rig) -> str:
    """Return everything that a bare boot writes to the event port."""
    evidence = Evidence.begin(rig.evidence, _NAME, rig.redactor, rig.report)
    spec = MachineSpec(
        name=_NAME, emulator=rig.emulator, acceleration=rig.acceleration,
        base=bootimage.path, base_format=bootimage.format.value,
        ignition=_ignition(evidence), memory_mib=rig.memory_mib or _MEMORY_MIB,
        cpu_level=CpuLevel.V3,  # for any RHEL, because the version is not known before the boot
        hardware=rig.hardware,
    )  # fmt: skip
    with machines.watched(rig, spec, evidence) as watch:
        text = _awaited(watch, Deadline.after(_BOOT_S * rig.timeout_factor))
        watch.note(state=State.UP)
    return text


def _ignition(evidence: Evidence) -> str:
    document = whole((config(), access.journal_stream()), ())
    evidence.keep_config(document)
    return render(document)


def _awaited(watch: Watch, deadline: Deadline) -> str:
    try:
        return wait_for("the list of programs", partial(_whole, watch), deadline, _LOOK_S)
    except DeadlineError as exc:
        raise watch.stuck(str(exc)) from exc


def _whole(watch: Watch) -> str:
    watch.check_alive()
    path = watch.machine.port_files[EVENTS_PORT]
    text = path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""
    if _END not in text:
        raise NotYet("the bootimage has not reported its programs")
    return text


def _kept(bootimage: BootImage) -> Path:
    """Return the path of the cache entry. Its key includes the text of the guest's program."""
    asked = guest_files.text("inventory")
    key = hashlib.sha256(f"{bootimage.sha256}\n{asked}".encode()).hexdigest()
    return folders.cache_dir() / "inventories" / f"{key}.json"
