"""A checkpoint of one machine: its memory, the state of its devices, and its disk, in one folder.

It is made while the machine is suspended, and the machine goes on afterwards with a disk over the
one of the checkpoint. The files are private: memory has secrets.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from harness.machine.domain.domain import Domain
from harness.machine.domain.storage import Disk
from harness.machine.forking import device_state
from harness.machine.forking.diversion import divert
from harness.machine.forking.key import Origin
from harness.machine.guest_memory import copy_sparse, new_file
from harness.machine.machine import Machine
from harness.model.clock import Deadline, utc_now
from harness.model.errors import HarnessError, InputError, RigError

_STATE, _RAM, _METADATA = "state", "ram", "checkpoint.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stamp:
    """What is known of a file without reading it."""

    bytes: int
    mtime_ns: int

    @classmethod
    def of(cls, path: Path) -> _Stamp:
        found = path.stat()
        return cls(bytes=found.st_size, mtime_ns=found.st_mtime_ns)


class DamagedError(RigError):
    """A checkpoint cannot be used: a file of it is damaged, or it is one of another machine."""

    def __init__(self, checkpoint: Path, problem: str) -> None:
        remedy = "Start a machine without a checkpoint."
        super().__init__(f"checkpoint {checkpoint.name}", problem, remedy)


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedMachine:
    """A machine as it was at a moment; `domain` is what ran, `disk` its disk at that moment."""

    folder: Path
    domain: Domain
    disk: Disk

    @property
    def state(self) -> Path:
        """The file with the state of devices and processors."""
        return self.folder / _STATE

    @property
    def ram(self) -> Path:
        """The file with the memory, from which forks start; nothing writes to it."""
        return self.folder / _RAM

    def require_usable(self, key: str) -> None:
        """Return if no file has changed, and the checkpoint has this key.

        The state is read. Of memory and disk, size and time are compared: reading them takes longer
        than the start of a fork.

        Raises:
            DamagedError: it cannot be used.
        """
        try:
            known = json.loads((self.folder / _METADATA).read_text())
            sha256 = _sha256(self.state)
            stamps = {path.name: asdict(_Stamp.of(path)) for path in (self.ram, self.disk.path)}
        except (OSError, ValueError) as exc:
            raise DamagedError(self.folder, f"cannot be read: {exc}") from exc
        if known.get("key") != key:
            raise DamagedError(self.folder, "has another key than the machine")
        if known.get("state_sha256") != sha256:
            raise DamagedError(self.folder, "the state of its devices is damaged")
        for name, stamp in stamps.items():
            if known.get("files", {}).get(name) != stamp:
                raise DamagedError(self.folder, f"the file {name} has changed since it was made")

    def drop(self) -> None:
        """Remove its files, except the disk, which the machine still uses."""
        shutil.rmtree(self.folder, ignore_errors=True)


@contextmanager
def suspended(machines: Iterable[Machine]) -> Iterator[None]:
    """Context manager that stops the processors of all machines; on leaving, they run.

    Raises:
        RigError: libvirt refuses.
    """
    with ExitStack() as resuming:
        for machine in machines:
            machine.running.suspend()
            resuming.callback(machine.running.resume)
        yield


def save(machine: Machine, folder: Path, origin: Origin, deadline: Deadline) -> SavedMachine:
    """Return a checkpoint of a suspended machine, in the new `folder`.

    Raises:
        InputError: the machine is not a template, its disk has several paths, or no space is left.
        RigError: libvirt or QEMU could not.
        DeadlineError: it is not done in time.
    """
    domain = machine.domain
    if domain.ram is None:
        problem = "its memory is not in a file"
        raise InputError(f"checkpoint of {machine.name}", problem, "Start it as a template.")
    folder.mkdir(mode=0o700, parents=True)
    try:
        disk = divert(machine)
        device_state.save(machine.running, folder / _STATE, deadline)
        copy_sparse(domain.ram.path, folder / _RAM, deadline)
        saved = SavedMachine(folder=folder, domain=domain, disk=disk)
        stamped(saved, origin)
    except OSError as exc:
        shutil.rmtree(folder, ignore_errors=True)
        problem = f"cannot be written: {exc.strerror}"
        raise InputError(f"checkpoint {folder}", problem, "Free disk space there.") from exc
    except HarnessError:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return saved


def stamped(saved: SavedMachine, origin: Origin) -> None:
    """Note what the files of a checkpoint are now, for `require_usable`.

    Raises:
        OSError: no space is left, among others.
    """
    known = {
        "key": origin.key,
        "origin": asdict(origin),
        "made": utc_now(),
        "state_sha256": _sha256(saved.state),
        "files": {path.name: asdict(_Stamp.of(path)) for path in (saved.ram, saved.disk.path)},
    }
    with new_file(saved.folder / _METADATA) as file:
        file.write(json.dumps(known, indent=1, sort_keys=True).encode())


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
