"""Rows of text as a table for a terminal, or as a table in Markdown for a release page.

What images and servers wrote is shown without the characters that a terminal or Markdown obeys.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from harness.model.escapes import printable

Row = Sequence[str]
# Of a column. Each row is as wide as its columns: one cell of megabytes would be too much memory.
_WIDEST = 200
# An underscore within a word, as in x86_64, has no meaning.
_OBEYED = re.compile(r"([\\`*{}\[\]<>#|~]|(?<![^\W_])_|_(?![^\W_]))")


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A part of a report: a title, a table and sentences. Without rows and notes it is left out."""

    title: str = ""
    head: Row = ()
    rows: tuple[Row, ...] = ()
    notes: tuple[str, ...] = ()


def text_of(sections: Iterable[Section]) -> str:
    """Return sections as text for a terminal."""
    blocks = []
    for section in sections:
        lines = [*table(section.head, section.rows), *map(_line, section.notes)]
        if lines:
            blocks.append([_line(section.title), *lines] if section.title else lines)
    return "\n".join("".join(f"{line}\n" for line in block) for block in blocks)


def markdown_of(sections: Iterable[Section]) -> str:
    """Return sections as Markdown, each with a heading of the third level."""
    blocks = []
    for section in sections:
        rows = "".join(f"{line}\n" for line in markdown_table(section.head, section.rows))
        notes = "".join(f"{plain_markdown(note)}\n" for note in section.notes)
        parts = [part for part in (rows, notes) if part]
        if parts:
            heading = [f"### {plain_markdown(section.title)}\n"] if section.title else []
            blocks.append("\n".join([*heading, *parts]))
    return "\n".join(blocks)


def table(head: Row, rows: Iterable[Row]) -> Iterator[str]:
    """Yield lines with aligned columns; none if there are no rows."""
    cells = [[_line(cell) for cell in row] for row in rows]
    if not cells:
        return
    cells.insert(0, [title.upper() for title in head])
    widths = [min(max(map(len, column)), _WIDEST) for column in zip(*cells, strict=True)]
    for row in cells:
        yield "  ".join(map(str.ljust, row, widths)).rstrip()


def markdown_table(head: Row, rows: Iterable[Row]) -> Iterator[str]:
    """Yield a table in Markdown; nothing if there are no rows."""
    lines = [_markdown_row(map(plain_markdown, row)) for row in rows]
    if lines:
        yield from (_markdown_row(head), _markdown_row("---" for _ in head), *lines)


def plain_markdown(text: str) -> str:
    """Return `text` on one line, so that Markdown shows it as it is."""
    return _OBEYED.sub(r"\\\1", _line(text))


def _markdown_row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _line(text: str) -> str:
    return " ".join(printable(text).split())
