"""A checkpoint that outlives its run: what is known of it, and whether its files are whole.

`store` keeps them. All machines of a scenario are in one folder. Its metadata has the length and
the sha256 sum of each file, and a sum of its own: a file that was cut or changed is found before a
machine starts from it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from harness import regular_file
from harness.images.acquire.digest import sha256_of
from harness.machine.forking.key import FORMAT, Origin
from harness.machine.forking.saved import DamagedError
from harness.machine.guest_memory import new_file
from harness.model.clock import Deadline
from harness.model.foreign import json_value
from harness.model.secret import Secret

METADATA = "kept.json"
_DAMAGED = "its metadata is damaged"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptFile:
    """A file of a kept checkpoint as it was written."""

    bytes: int
    sha256: str

    @classmethod
    def of(cls, path: Path, deadline: Deadline) -> KeptFile:
        """Read a file.

        Raises:
            OSError: it cannot be read.
            DeadlineError: it is not read in time.
        """
        return cls(sha256=sha256_of(path, deadline), bytes=path.stat().st_size)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptMachine:
    """One machine of a kept checkpoint; names of files are of the checkpoint's folder.

    `layers` are the images of its disk, the top one first. Below the last one is the image that it
    was booted from, in `base_format`; empty if the disk was blank. `notes` are what the maker of
    the checkpoint knows of the machine, as JSON values.
    """

    origin: Origin
    ram: str
    state: str
    layers: tuple[str, ...]
    base_format: str = ""
    notes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A kept checkpoint of all machines of `scenario` after `step`.

    `drawn` is what its play drew by chance: keys, certificates, tokens and ports, by their names,
    in the order of the play. `services` are the names of files that services wrote. `made` is a
    time in UTC, as ISO 8601 writes it.
    """

    folder: Path
    scenario: str
    step: str
    made: str
    machines: Mapping[str, KeptMachine]
    drawn: tuple[tuple[str, Secret], ...] = ()
    services: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, KeptFile] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """The digest of what all of its machines were made of."""
        return key_of({name: machine.origin for name, machine in self.machines.items()})

    @property
    def name(self) -> str:
        """What reports call it."""
        return f"{self.scenario} {self.step} of {self.made}"

    @property
    def made_s(self) -> float:
        """When it was made, in seconds since 1970."""
        return datetime.fromisoformat(self.made).timestamp()

    def require_whole(self, deadline: Deadline) -> None:
        """Return if each file has the bytes that were written; all of them are read.

        Raises:
            DamagedError: one has not.
            DeadlineError: they are not read in time.
        """
        for name, known in self.files.items():
            path = self.folder / name
            try:
                # A file of another length need not be read.
                is_whole = (
                    path.stat().st_size == known.bytes and KeptFile.of(path, deadline) == known
                )
            except OSError as exc:
                raise DamagedError(self.folder, f"{name} cannot be read: {exc.strerror}") from exc
            if not is_whole:
                raise DamagedError(self.folder, f"the file {name} is damaged")

    def write(self) -> None:
        """Write the metadata; the last file that makes a checkpoint one.

        Raises:
            OSError: no space is left, among others.
        """
        known = {
            "format": FORMAT,
            "scenario": self.scenario,
            "step": self.step,
            "made": self.made,
            "machines": {name: asdict(machine) for name, machine in self.machines.items()},
            "drawn": [(what, secret.reveal()) for what, secret in self.drawn],
            "services": dict(self.services),
            "files": {name: asdict(each) for name, each in self.files.items()},
        }
        text = json.dumps({"sha256": _sum_of(known), "checkpoint": known}, indent=1)
        with new_file(self.folder / METADATA) as file:
            file.write(text.encode())


class OtherFormatError(DamagedError):
    """A checkpoint is of another version of the harness, which may use it."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, "has the format of another version of the harness")


def read(folder: Path) -> Kept:
    """Return what is known of the checkpoint in `folder`; its other files are not read.

    Raises:
        OtherFormatError: it has another format.
        DamagedError: there is none, or its metadata is damaged.
    """
    try:
        text = regular_file.read_within(folder, (METADATA,), regular_file.MAX_TEXT_BYTES)
        document = json_value(text)
        known = document["checkpoint"]
        if known["format"] != FORMAT:
            raise OtherFormatError(folder)  # its sum may be made in another way
        if document["sha256"] != _sum_of(known):
            raise DamagedError(folder, _DAMAGED)
        return _from(folder, known)
    except OSError as exc:
        raise DamagedError(folder, f"cannot be read: {exc.strerror or exc}") from exc
    except (ValueError, LookupError, TypeError, AttributeError) as exc:
        raise DamagedError(folder, _DAMAGED) from exc


def key_of(origins: Mapping[str, Origin]) -> str:
    """Return the key of a checkpoint of machines with these origins, by their names."""
    keys = {name: origin.key for name, origin in origins.items()}
    return hashlib.sha256(json.dumps(keys, sort_keys=True).encode()).hexdigest()


# `Any`: a field of another shape is an error in `read`.
def _from(folder: Path, known: Any) -> Kept:  # noqa: ANN401
    machines = {name: _machine(each) for name, each in known["machines"].items()}
    files = {name: KeptFile(**each) for name, each in known["files"].items()}
    services = dict(known["services"])
    used = {
        name
        for machine in machines.values()
        for name in (machine.ram, machine.state, *machine.layers)
    } | {*services.values()}
    if used != files.keys() or any(Path(name).name != name for name in files):
        raise ValueError("files")
    datetime.fromisoformat(known["made"])
    return Kept(
        folder=folder, scenario=known["scenario"], step=known["step"], made=known["made"],
        machines=machines, files=files, services=services,
        drawn=tuple(_drawing(*each) for each in known["drawn"]),
    )  # fmt: skip


def _drawing(what: Any, text: Any) -> tuple[str, Secret]:  # noqa: ANN401
    if not isinstance(what, str) or not isinstance(text, str):
        raise TypeError("drawn")
    return what, Secret(text)


def _machine(known: Any) -> KeptMachine:  # noqa: ANN401
    given = {**known, "origin": Origin(**known["origin"]), "layers": tuple(known["layers"])}
    return KeptMachine(**given)


def _sum_of(known: object) -> str:
    return hashlib.sha256(json.dumps(known, sort_keys=True).encode()).hexdigest()
