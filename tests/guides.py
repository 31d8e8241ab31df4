"""The files that the guides in docs/ show: code blocks whose first line is `# NAME`."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

DOCS = Path(__file__).parent.parent / "docs"
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_ANY_BLOCK = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
_PROGRAM = re.compile(r"(?:^|[ (])(pytest|tox|node-image|python3 \.ci/tox) ")
_INDENTED = re.compile(r"^    (?! )(.*)$", re.MULTILINE)
_INLINE = re.compile(r"`((?:pytest|tox|node-image|python3 \.ci/tox) [^`]+)`")
_LONE_OPTION = re.compile(r"`(--[a-z][a-z0-9-]*)[^`]*`")
_NAME = re.compile(r"# ([\w-]+\.\w+)\n")


def files_of(guide: str) -> dict[str, str]:
    """Return the files of a guide by name."""
    blocks = (body for _, body in _BLOCK.findall(text_of(guide)))
    return {name[1]: body[name.end() :] for body in blocks if (name := _NAME.match(body))}


def consoles_of(guide: str) -> list[str]:
    """Return the blocks that show a terminal."""
    return [body for kind, body in _BLOCK.findall(text_of(guide)) if kind == "console"]


def blocks_of(text: str) -> list[tuple[str, str]]:
    """Return the fenced blocks of a page, each with its language, without their indentation."""
    return [(kind, textwrap.dedent(body)) for _, kind, body in _ANY_BLOCK.findall(text)]


def commands_of(text: str) -> list[str]:
    """Return the command lines of a page: in consoles, in indented blocks, and in the text."""
    text = text.replace("\\\n", " ")
    lines = [
        line.removeprefix("$ ")
        for kind, body in blocks_of(text)
        if kind in ("console", "sh")
        for line in body.splitlines()
        if kind == "sh" or line.startswith("$ ")
    ]
    rest = _ANY_BLOCK.sub("", text).replace(r"\|", "|")
    found = [*lines, *_INDENTED.findall(rest), *_INLINE.findall(rest)]
    return [line for line in found if _PROGRAM.search(line)]


def options_of(text: str) -> list[str]:
    """Return the options that the text names by themselves, such as `--until STEP`."""
    return _LONE_OPTION.findall(_ANY_BLOCK.sub("", text))


def text_of(guide: str) -> str:
    return (DOCS / guide).read_text(encoding="utf-8")
