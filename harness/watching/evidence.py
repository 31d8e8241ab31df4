"""The evidence of a machine, written while it runs, so that a killed run has it too.

The run's own folder is removed with the run, and its files have secrets; evidence has none.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from harness import atomic, full_folder
from harness.machine.machine import Machine
from harness.model.escapes import json_escaped, json_values
from harness.model.ignition import Document, render
from harness.model.node_state import NodeState
from harness.model.record import LayerRecord, MachineRecord, State
from harness.model.run_folder import MACHINE_RECORD
from harness.model.secrets.config import redacted, secrets_in
from harness.model.secrets.redaction import LineRedactor, Redactor

LOG = logging.getLogger(__name__)
_SIZE_LIMIT_BYTES = 64 << 20
_LAST_BYTES = 4 << 20


@dataclass(slots=True, kw_only=True)
class Evidence:
    """The folder of one machine's evidence.

    An error in writing is only logged: it must not hide the failure that the evidence shows.
    `report` gets the one that the user has to know at once: that the disk is full.
    """

    folder: Path
    redactor: Redactor
    report: Callable[[str], None] = LOG.error
    _texts: dict[str, LineRedactor] = field(init=False, default_factory=dict)
    _bytes: dict[str, int] = field(init=False, default_factory=dict)

    @classmethod
    def begin(
        cls,
        parent: Path,
        name: str,
        redactor: Redactor,
        report: Callable[[str], None] = LOG.error,
    ) -> Evidence:
        """Return evidence in a new folder below `parent`; a used name gets a number: `name-2`.

        On a full disk there is no folder, and no evidence.
        """
        number = 1
        while True:
            folder = parent / (name if number == 1 else f"{name}-{number}")
            try:
                folder.mkdir(parents=True)
            except FileExistsError:
                number += 1
                continue
            except OSError as exc:
                if not atomic.is_full(exc):
                    raise
                evidence = cls(folder=folder, redactor=redactor, report=report)
                evidence._note(exc)
                return evidence
            return cls(folder=folder, redactor=redactor, report=report)

    @property
    def size_bytes(self) -> int:
        """The bytes that the streams had so far."""
        return sum(self._bytes.values())

    @property
    def names(self) -> tuple[str, ...]:
        """The files of the folder, sorted; none if it cannot be read."""
        try:
            found = [path.name for path in self.folder.iterdir()]
        except OSError as exc:
            self._note(exc)
            return ()
        return tuple(sorted(name for name in found if name != MACHINE_RECORD))

    def append(self, name: str, new: bytes) -> None:
        """Add redacted bytes to the file `name`.

        A file at its limit does not grow; `NAME.last` then has the latest bytes.
        """
        if not new:
            return
        self._bytes[name] = self._bytes.get(name, 0) + len(new)
        path = self.folder / name
        if self._bytes[name] > _SIZE_LIMIT_BYTES:
            path = self.folder / f"{name}.last"
        try:
            is_full = path.suffix == ".last" and path.exists() and path.stat().st_size > _LAST_BYTES
            if is_full:
                atomic.write(path, new, is_durable=False)
                return
            with path.open("ab") as file:
                file.write(new)
        except OSError as exc:
            self._note(exc)

    def append_text(self, name: str, new: str) -> None:
        """Add text that may have secrets; an incomplete line waits for its rest."""
        self.append(name, self.lines_of(name).feed(new).encode())

    def lines_of(self, name: str) -> LineRedactor:
        """Return the redactor for the lines of the stream `name`."""
        return self._texts.setdefault(name, LineRedactor(self.redactor))

    def finish(self) -> None:
        """Write the incomplete lines."""
        for name, cleaner in self._texts.items():
            self.append(name, cleaner.finish().encode())

    def keep_text(self, name: str, text: str) -> None:
        """Keep `text` as the file `name`."""
        self._write(name, self.redactor(text))

    def keep_config(self, document: Document, name: str = "ignition.json") -> None:
        """Keep an Ignition config as the file `name`, and redact its secrets from now on."""
        for secret in secrets_in(document):
            self.redactor.add(secret)
        # Not by `keep_text`, which redacts every data URL, public ones too.
        self._write(name, render(redacted(document, self.redactor)))

    def keep_domain(self, machine: Machine) -> None:
        """Keep the domain's XML."""
        self.keep_text("domain.xml", machine.domain.to_xml())

    def keep_state(self, name: str, text: str, state: NodeState) -> LayerRecord:
        """Keep a snapshot as `NAME.txt` and its packages as `packages-NAME.txt`."""
        layer = layer_of(state)
        self.keep_text(f"{name}.txt", text)
        self.keep_text(f"packages-{name}.txt", "".join(f"{nevra}\n" for nevra in layer.packages))
        return layer

    def keep_log(self, log: Path) -> None:
        """Keep a log of the run under its own name, if it exists."""
        if log.exists():
            self.keep_text(log.name, log.read_text(encoding="utf-8", errors="replace"))

    def keep_record(self, record: MachineRecord) -> None:
        """Keep the record; the file is complete at every moment."""
        values = json_values(self.redactor.value(msgspec.to_builtins(record)))
        text = json_escaped(msgspec.json.format(msgspec.json.encode(values), indent=1).decode())
        # While the machine runs, it is written each second.
        is_last = record.state not in (State.RUNNING, State.UP)
        self._replace(MACHINE_RECORD, text, is_durable=is_last)

    def _write(self, name: str, text: str) -> None:
        # Not durable: the watch writes it too, and must not wait for a busy disk.
        self._replace(name, text, is_durable=False)

    def _replace(self, name: str, text: str, *, is_durable: bool) -> None:
        try:
            atomic.write(self.folder / name, text.encode(), is_durable=is_durable)
        except OSError as exc:
            self._note(exc)

    def _note(self, error: OSError) -> None:
        LOG.warning("evidence is incomplete: %s", error)
        if text := full_folder.noticed(error, self.folder.parent):
            self.report(text)


def layer_of(state: NodeState) -> LayerRecord:
    """Return what a report has of a snapshot."""
    nevras = (str(nevra) for installed in state.packages.values() for nevra in installed)
    return LayerRecord(packages=tuple(sorted(nevras)), os_release=dict(state.os_release))
