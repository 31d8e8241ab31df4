"""What is kept of a machine for those who ask why: copied out of the run's folder, which goes.

Written again and again, so that whatever ends a run finds the last state there. Secrets stay out.
"""

from __future__ import annotations

import logging
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.machine.machine import EVENTS_PORT, IGNITION_PORT, JOURNAL_PORT, Machine
from harness.model.ignition import Document, Json, render

LOG = logging.getLogger(__name__)
REMOVED = "removed"
_PORTS = {
    EVENTS_PORT: "events.txt",
    JOURNAL_PORT: "journal.json",
    IGNITION_PORT: "ignition-journal.json",
}
_READABLE_BY_OTHERS = 0o004
_SECRET_FIELDS = {"passwordHash", "sshAuthorizedKeys", "keyFile", "httpHeaders", "clevis"}
# A failing Ignition logs the whole config, and the commands with which it makes users.
_SECRET_WORDS = re.compile(
    r"""(data:[^,"\s\\]*,)[^"\s\\]+"""
    r"""|(\\?"(?:passwordHash|--password)\\?"[:, ]+\\?")[^"\\]+"""
)
_LOGIN_IN_URL = re.compile(r"""(?<=://)[^/@\s"\\]+@""")


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """The folder of one scenario's evidence; the newest run's is in it."""

    folder: Path

    @classmethod
    def begin(cls, parent: Path, scenario: str) -> Evidence:
        """Return an empty folder `scenario` below `parent`; what was in it is gone."""
        folder = parent / scenario
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        return cls(folder=folder)

    def keep_config(self, document: Document) -> None:
        """Keep an Ignition config as `ignition.json`, without what is secret in it."""
        self.keep_text("ignition.json", render(without_secrets(document)))

    def keep_text(self, name: str, text: str) -> None:
        """Keep `text` as the file `name`."""
        (self.folder / name).write_text(text, encoding="utf-8")

    def keep_machine(self, machine: Machine) -> None:
        """Keep what `machine` has written so far, and the domain it was made from.

        Trouble here is logged only: it must not hide the trouble that is evidenced.
        """
        try:
            self.keep_text("domain.xml", machine.domain.to_xml())
            _copy(machine.console, self.folder / "console.txt")
            for port, name in _PORTS.items():
                _copy(machine.port_files[port], self.folder / name)
        except OSError as exc:
            LOG.warning("evidence is incomplete: %s", exc)

    def keep_log(self, log: Path) -> None:
        """Keep a log of the run under its own name; trouble is logged only."""
        try:
            _copy(log, self.folder / log.name)
        except OSError as exc:
            LOG.warning("evidence is incomplete: %s", exc)


def without_secrets(document: Document) -> Document:
    """Return the config without contents that not everybody may read, and without logins."""
    clean = _clean(document)
    return clean if isinstance(clean, dict) else {}


def scrubbed(text: str) -> str:
    """Return a log without what Ignition writes there: contents of files, passwords, logins."""
    text = _SECRET_WORDS.sub(lambda found: f"{found[1] or found[2]}{REMOVED}", text)
    return _LOGIN_IN_URL.sub(f"{REMOVED}@", text)


def _clean(value: Json) -> Json:
    if isinstance(value, list):
        return [_clean(item) for item in value]
    if isinstance(value, str):
        return value if value.startswith("data:") else _LOGIN_IN_URL.sub(f"{REMOVED}@", value)
    if not isinstance(value, dict):
        return value
    fields = {name: _clean(item) for name, item in value.items()}
    hidden = _SECRET_FIELDS | ({"contents", "append"} if _is_private(value) else set())
    return {name: REMOVED if name in hidden else item for name, item in fields.items()}


def _is_private(node: Mapping[str, Json]) -> bool:
    mode = node.get("mode")
    return isinstance(mode, int) and not mode & _READABLE_BY_OTHERS


def _copy(source: Path, target: Path) -> None:
    if source.exists():
        text = source.read_text(encoding="utf-8", errors="replace")
        target.write_text(scrubbed(text), encoding="utf-8")
