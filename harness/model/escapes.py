"""Make text of guests, images, servers and programs harmless wherever it is shown or kept.

Errors, logs, commands and reports apply this where they write, not where they read.
"""

from __future__ import annotations

import math
import re

# ECMA-48 sections 5.3 to 5.6: CSI, then what ends in ST or BEL, then the short ones.
# systemd truncates status lines within sequences: one may lack its end or its start.
_SEQUENCES = (
    r"\x1b\[[0-?]*[ -/]*[@-~]?"
    r"|\x1b[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)"
    r"|\x1b[ -/]*[0-~]?"
    r"|(?<=…)\[?0m"
)
# Colours, movements, titles, character sets, and what is left where systemd cut a colour.
_WHOLE_SEQUENCE = re.compile(
    r"\x1b\[[0-9;?]*[A-Za-z]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[()][0-9A-Z]"
    r"|\x1b\[(?=…)|(?<=…)\[?0m|\x1b\Z"
)
_NOT_DISPLAYED = re.compile(rf"{_SEQUENCES}|[\x00-\x08\x0a-\x1f\x7f-\x9f]")
# Outside of ASCII, and the one in it that JSON leaves as it is: in JSON they are in strings only.
_INVISIBLE = re.compile(r"[\x7f-\U0010ffff]")
_MARK = "\N{REPLACEMENT CHARACTER}"


def displayed(line: str) -> str:
    """Return a line as a screen shows it: without escape sequences and control characters."""
    if line.isprintable() and "…" not in line:
        return line
    return _NOT_DISPLAYED.sub("", line).replace("\t", " ")


def printable(text: str) -> str:
    """Return `text` without whole escape sequences; other invisible characters become a mark.

    Those are control characters, marks of direction, and halves of surrogate pairs. The beginning
    of a sequence does not take characters of the sentence that quotes it.
    """
    if text.isprintable() and "…" not in text:
        return text
    bare = _WHOLE_SEQUENCE.sub("", text).replace("\r", "")
    return "".join(c if c.isprintable() or c in "\n\t" else _MARK for c in bare)


def one_line(text: str) -> str:
    """Return `text` as `printable` does, on one line: a name with line ends could pose as more."""
    return printable(text).replace("\n", " ").replace("\t", " ")


def json_escaped(text: str) -> str:
    """Return JSON text with every invisible character escaped; it has the same values."""
    return _INVISIBLE.sub(_escaped, text)


def json_values(value: object) -> object:
    """Return JSON-like data without what no JSON has: halves of surrogate pairs, infinite numbers.

    A mark replaces the half, 0 the number.
    """
    if isinstance(value, str):
        return value if value.isascii() else value.encode(errors="replace").decode()
    if isinstance(value, float):
        return value if math.isfinite(value) else 0.0
    if isinstance(value, list | tuple):
        return [json_values(item) for item in value]
    if isinstance(value, dict):
        return {json_values(name): json_values(item) for name, item in value.items()}
    return value


def _escaped(found: re.Match[str]) -> str:
    """Return a character as JSON escapes it, if it is not visible: as units of UTF-16."""
    if found[0].isprintable():
        return found[0]
    units = found[0].encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at]:02x}{units[at + 1]:02x}" for at in range(0, len(units), 2))
