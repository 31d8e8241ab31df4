"""Remembers the folders of artifacts whose disk was full, so that a process reports each once.

Writers go on: a run judges without its artifacts, too.
"""

from __future__ import annotations

from pathlib import Path

from harness import atomic

_problems: dict[Path, str] = {}


def noticed(error: BaseException, folder: Path) -> str:
    """Return what to report if `error` says that the disk of `folder` is full; else nothing.

    It is returned once: nothing if it was noticed before.
    """
    if not atomic.is_full(error) or folder in _problems:
        return ""
    text = f"artifacts folder is full: {folder}; what was written before is whole"
    _problems[folder] = text
    return text


def problem_of(folder: Path) -> str:
    """Return what was noticed of a folder in this process; nothing if its disk was never full."""
    return _problems.get(folder, "")
