"""Remove terminal escapes from text of guests and programs."""

from __future__ import annotations

import re

# ECMA-48 sections 5.3 to 5.6: CSI, then what ends in ST or BEL, then the short ones.
# systemd truncates status lines within sequences: one may lack its end or its start.
_SEQUENCES = (
    r"\x1b\[[0-?]*[ -/]*[@-~]?"
    r"|\x1b[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)"
    r"|\x1b[ -/]*[0-~]?"
    r"|(?<=…)\[?0m"
)
_SEQUENCE = re.compile(_SEQUENCES)
_NOT_DISPLAYED = re.compile(rf"{_SEQUENCES}|[\x00-\x08\x0a-\x1f\x7f-\x9f]")
_MARK = "\N{REPLACEMENT CHARACTER}"


def without_escapes(text: str) -> str:
    """Return `text` without escape sequences and carriage returns."""
    return _SEQUENCE.sub("", text).replace("\r", "")


def displayed(line: str) -> str:
    """Return a line as a screen shows it: without escape sequences and control characters."""
    if line.isprintable() and "…" not in line:
        return line
    return _NOT_DISPLAYED.sub("", line).replace("\t", " ")


def printable(text: str) -> str:
    """Return `text` without escape sequences; other invisible characters become a mark."""
    bare = without_escapes(text)
    return "".join(c if c.isprintable() or c in "\n\t" else _MARK for c in bare)
