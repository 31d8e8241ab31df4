"""The files of a kept checkpoint: copied out of the run that made it, and opened in another one.

A disk is kept as the images that its machine wrote, over the image that it was booted from. That
one is not copied: a run that can use the checkpoint has it, at a place of its own, since its digest
is in the key. So its name in the image over it is relative, and each run has a link of that name.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from harness import process
from harness.machine.domain.domain import Domain
from harness.machine.domain.storage import Disk
from harness.machine.forking.kept import Kept, KeptFile, KeptMachine
from harness.machine.forking.key import Origin
from harness.machine.forking.saved import DamagedError, SavedMachine, stamped
from harness.machine.guest_memory import copy_sparse
from harness.model.clock import Deadline, utc_now
from harness.model.foreign import json_value
from harness.model.secret import Secret

_BASE = "base"
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_.-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A machine to keep: its checkpoint in this run, what that was made of, and `notes` on it."""

    saved: SavedMachine
    origin: Origin
    notes: Mapping[str, Any] = field(default_factory=dict)


def opened(
    kept: Kept, machine: str, *, domain: Domain, base: Path | None, folder: Path,
    deadline: Deadline,
) -> SavedMachine:  # fmt: skip
    """Return a machine of a checkpoint that `take` has locked, for forks of it in this run.

    `domain` is what the machine would be in this run, its key that of the checkpoint. `base` is the
    image that it would boot. `folder` is new and of this run: its links lead to the files.

    Raises:
        DamagedError: a file cannot be read.
        DeadlineError: the memory of one that can only be read is not copied in time.
    """
    known, disk = kept.machines[machine], domain.disks[0]
    if not isinstance(disk, Disk):
        raise DamagedError(kept.folder, "the disk of its machine has several paths")
    # The name of a layer is relative to the image over it, by the path that QEMU got.
    saved = SavedMachine(
        folder=folder, domain=domain, disk=replace(disk, path=folder / known.layers[0])
    )
    try:
        folder.mkdir(mode=0o700, parents=True)
        _link_memory(kept.folder / known.ram, saved.ram, deadline)
        saved.state.symlink_to(kept.folder / known.state)
        for name in known.layers:
            (folder / name).symlink_to(kept.folder / name)
        if base is not None:
            (folder / _BASE).symlink_to(base.resolve())
        stamped(saved, known.origin)
    except OSError as exc:
        raise DamagedError(kept.folder, f"cannot be read: {exc.strerror or exc}") from exc
    return saved


def _link_memory(kept: Path, target: Path, deadline: Deadline) -> None:
    # QEMU opens it for writing, although nothing that a fork writes goes into it.
    if os.access(kept, os.W_OK):
        target.symlink_to(kept)
    else:
        copy_sparse(kept, target, deadline)


def write(
    folder: Path,
    scenario: str,
    step: str,
    parts: Mapping[str, Part],
    drawn: tuple[tuple[str, Secret], ...],
    deadline: Deadline,
    services: Mapping[str, Path],
) -> Kept:
    """Write a checkpoint into the empty `folder`: the files of each machine, then what they are.

    `services` are files that belong to the machines, by the names of the services that wrote them.

    Raises:
        OSError: no space is left, among others.
        CommandError: qemu-img refuses a disk.
        DeadlineError: it is not done in time.
    """
    machines = {name: _copied(folder, name, part, deadline) for name, part in sorted(parts.items())}
    saved = {name: f"{_NOT_IN_NAMES.sub('-', name)}.service" for name in services}
    for name, source in services.items():
        _copy(source, folder / saved[name], deadline)
    files = {path.name: KeptFile.of(path, deadline) for path in folder.iterdir()}
    kept = Kept(
        folder=folder, scenario=scenario, step=step, made=utc_now(), machines=machines,
        drawn=drawn, files=files, services=saved,
    )  # fmt: skip
    kept.write()
    return kept


def _copied(folder: Path, name: str, part: Part, deadline: Deadline) -> KeptMachine:
    saved, prefix = part.saved, _NOT_IN_NAMES.sub("-", name)
    ram, state = f"{prefix}.ram", f"{prefix}.state"
    _copy(saved.ram, folder / ram, deadline)
    _copy(saved.state, folder / state, deadline)
    chain, base_format = _chain(saved, deadline)
    layers = tuple(f"{prefix}.disk{number}" for number in range(len(chain)))
    for layer, source in zip(layers, chain, strict=True):
        copy_sparse(source, folder / layer, deadline)
    below = (*layers[1:], *((_BASE,) if base_format else ()))
    for number, (layer, under) in enumerate(zip(layers, below, strict=False)):
        image_format = base_format if number == len(layers) - 1 else "qcow2"
        _set_base(folder / layer, under, image_format, deadline)
    return KeptMachine(
        origin=part.origin, ram=ram, state=state, layers=layers, base_format=base_format,
        notes=part.notes,
    )  # fmt: skip


def _copy(source: Path, target: Path, deadline: Deadline) -> None:
    try:
        target.hardlink_to(source)  # nothing writes to it any more
    except OSError:
        copy_sparse(source, target, deadline)


def _chain(saved: SavedMachine, deadline: Deadline) -> tuple[list[Path], str]:
    """Return the machine's own images, the top one first, and the format of the one below them."""
    command = (
        "qemu-img", "info", "--backing-chain", "--force-share", "--output=json", saved.disk.path,
    )  # fmt: skip
    images = json_value(process.run(command, deadline).stdout)
    own = [Path(each["filename"]) for each in images]
    last = own[-1]
    if last.parent == saved.disk.path.parent:
        return own, ""
    return own[:-1], str(images[-1]["format"])


def _set_base(image: Path, base: str, base_format: str, deadline: Deadline) -> None:
    """Write another name of its base into an image, without reading either."""
    process.run(
        ("qemu-img", "rebase", "-u", "-f", "qcow2", "-F", base_format, "-b", base, image), deadline
    )
