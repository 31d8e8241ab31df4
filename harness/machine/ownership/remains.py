"""Take down what a run leaves behind: its domains, processes and folders.

Used by the owner at its end, by the reaper, and by a later run's sweep. The caller has locked the
run folder.
"""

from __future__ import annotations

import json
import logging
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

from harness.machine.driver import EMBEDDED
from harness.machine.library import destroy_domain
from harness.machine.ownership.processes import end_processes
from harness.model.clock import Deadline
from harness.model.errors import HarnessError

LOG = logging.getLogger(__name__)
LOCK = "lock"
DOMAINS = "domains"
SCRATCH = "scratch"
_END_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class DomainRecord:
    """A domain, recorded before it exists."""

    uri: str
    uuid: str
    name: str

    def to_text(self) -> str:
        """Return the record as a JSON object."""
        return json.dumps(asdict(self))

    @classmethod
    def from_text(cls, text: str) -> DomainRecord:
        """Return the record that `to_text` wrote.

        Raises:
            ValueError: the text is truncated or something else.
        """
        try:
            return cls(**json.loads(text))
        except TypeError as exc:
            raise ValueError(str(exc)) from exc


def demolish(folder: Path) -> tuple[int, ...]:
    """Take down the run in `folder`, and the folder; return the ids of ended processes.

    Raises:
        DeadlineError: a process could not be ended; the folder stays for the next sweep.
    """
    for record in sorted((folder / DOMAINS).glob("*.json")):
        _destroy(record)
    ended: set[int] = set()
    # Twice: another process may put a file in it meanwhile, to ask for the end of this run; and a
    # child of the dying owner that is about to become QEMU names the folder later, or cannot start.
    for _ in range(2):
        ended.update(end_processes(folder, Deadline.after(_END_S)))
        link = folder / SCRATCH
        if link.is_symlink():
            shutil.rmtree(link.readlink(), ignore_errors=True)
        shutil.rmtree(folder, ignore_errors=True)
    return tuple(sorted(ended))


def _destroy(path: Path) -> None:
    try:
        record = DomainRecord.from_text(path.read_text())
    except (OSError, ValueError):
        LOG.warning("unreadable record of a domain: %s", path)
        return
    # An embedded driver ended with its owner; ending the processes is enough.
    if record.uri.startswith(EMBEDDED):
        return
    try:
        destroy_domain(record.uri, record.uuid)
    except HarnessError as exc:
        LOG.warning("domain %s of %s is left to the daemon: %s", record.name, record.uri, exc)
