"""What a boot shows from outside: the phase it is in, and that it is lost. Pure text.

Read from the serial console and from the port on which Ignition's journal arrives when the
initramfs gives up; each alone is known to be missing at times.

Source: coreos-assembler mantle/kola/harness.go:160-243 for the console's signs.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

_ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_PHASES = (
    (re.compile(r"^\[ *\d+\.\d+\] Linux version ", re.MULTILINE), "the kernel's start"),
    (re.compile(r"Running in initrd|\(Initramfs\)"), "Ignition in the initramfs"),
    (re.compile(r"Switching root|initrd-switch-root\.service"), "the start of services"),
)
_LOST = re.compile(
    r"Kernel panic - not syncing|Press Enter for (?:emergency shell|maintenance)"
    r"|Starting Emergency Shell|You are in emergency mode|[Ee]ntering emergency mode"
    r"|dracut: (?:FATAL|Refusing to continue)|No bootable device|error: no such device"
)
_WORST_PRIORITIES = {"0", "1", "2", "3"}
# Where Ignition cannot reach the journal's socket it prints the level instead, as priority 6.
_PRINTED_LEVEL = re.compile(r"(?:ERROR|CRITICAL|ALERT|EMERGENCY) *: ")
_DECISIVE_LINES = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class IgnitionReport:
    """What Ignition's port says of a failure; `is_complete` once the guest ended it."""

    errors: tuple[str, ...]
    is_complete: bool


def phase(console: str) -> str:
    """Return how far the boot has come, in words that follow `during`."""
    reached = [name for pattern, name in _PHASES if pattern.search(console)]
    return reached[-1] if reached else "firmware and boot loader"


def lost(console: str) -> str | None:
    """Return the line which shows that this boot will not get any further, if there is one."""
    lines = clean(console).splitlines()
    return next((line.strip() for line in lines if _LOST.search(line)), None)


def clean(console: str) -> str:
    """Return console text without escape sequences and carriage returns."""
    return _ANSI.sub("", console).replace("\r", "")


def last_lines(console: str, count: int = 10) -> tuple[str, ...]:
    """Return the last lines of the console that say something."""
    lines = [line.rstrip() for line in clean(console).splitlines() if line.strip()]
    return tuple(lines[-count:])


def ignition_report(text: str) -> IgnitionReport | None:
    """Return what Ignition's port says, None when it is silent, as in every boot that goes well.

    The guest writes its journal as JSON lines, then an empty object.
    """
    entries = list(_entries(text))
    if not text.strip():
        return None
    bad = [entry for entry in entries if _is_bad(entry)]
    own = [entry for entry in bad if entry.get("SYSLOG_IDENTIFIER") == "ignition"]
    messages = [_PRINTED_LEVEL.sub("", _message(entry), count=1) for entry in own or bad]
    decisive = tuple(dict.fromkeys(messages))[-_DECISIVE_LINES:]
    return IgnitionReport(errors=decisive, is_complete={} in entries)


def _entries(text: str) -> Iterator[dict[str, object]]:
    for line in text.splitlines():
        try:
            entry = json.loads(line)
        except ValueError:
            continue  # cut: the guest is still writing, or died over it
        if isinstance(entry, dict):
            yield entry


def _is_bad(entry: dict[str, object]) -> bool:
    worst = entry.get("PRIORITY") in _WORST_PRIORITIES
    return worst or bool(_PRINTED_LEVEL.match(_message(entry)))


def _message(entry: dict[str, object]) -> str:
    """Return an entry's text; the journal gives it as numbers when it is not UTF-8."""
    message = entry.get("MESSAGE")
    if isinstance(message, list):
        return bytes(int(byte) & 0xFF for byte in message).decode(errors="replace")
    return str(message)
