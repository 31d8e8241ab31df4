"""What a project's own files, folders and links cannot be, found where they are written."""

from __future__ import annotations

from harness.model.errors import InputError

_HIGHEST = 0o777
_DECIMALS = (400, 440, 444, 500)
"""Numbers up to the highest mode that were meant as octal ones: 400 is 0o620."""
_ODD_PARTS = {"", ".", ".."}


def require_plausible(subject: str, path: str, mode: int = 0) -> None:
    """Return if a path and a mode can be meant so; errors call the piece `subject`.

    Special bits are refused: Ignition ignores them in this version of its specification.

    Raises:
        InputError: the path is relative or not normal, or the mode is not one of 0 to 0o777, or
            looks like an octal number that lacks its `0o`.
    """
    parts = path[1:].removesuffix("/").split("/") if len(path) > 1 else ()
    if path[:1] != "/" or not _ODD_PARTS.isdisjoint(parts):
        problem = f"the path {path!r} is not absolute and normal"
        raise InputError(subject, problem, "Begin it with / and write no //, . or .. in it.")
    if not 0 <= mode <= _HIGHEST:
        problem = f"the mode {mode} is {mode:#o}, not one of 0 to {_HIGHEST:#o}"
        raise InputError(subject, problem, "Write it in octal, such as mode=0o644.")
    if mode in _DECIMALS:
        problem = f"the mode {mode} is {mode:#o}, probably not what is meant"
        raise InputError(subject, problem, f"Write it in octal: mode=0o{mode}.")
