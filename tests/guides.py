"""The files that the guides in docs/ show: code blocks whose first line is `# NAME`."""

from __future__ import annotations

import re
from pathlib import Path

DOCS = Path(__file__).parent.parent / "docs"
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_NAME = re.compile(r"# ([\w-]+\.\w+)\n")


def files_of(guide: str) -> dict[str, str]:
    """Return the files of a guide by name."""
    blocks = (body for _, body in _BLOCK.findall(text_of(guide)))
    return {name[1]: body[name.end() :] for body in blocks if (name := _NAME.match(body))}


def consoles_of(guide: str) -> list[str]:
    """Return the blocks that show a terminal."""
    return [body for kind, body in _BLOCK.findall(text_of(guide)) if kind == "console"]


def text_of(guide: str) -> str:
    return (DOCS / guide).read_text(encoding="utf-8")
