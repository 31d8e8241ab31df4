"""Rows of text as a table for a terminal, or as a table in Markdown for a release page.

What images and servers wrote is shown without the characters that a terminal or Markdown obeys.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from harness.model.escapes import printable

Row = Sequence[str]
_OBEYED = re.compile(r"([\\`*_{}\[\]<>#|~])")


def table(head: Row, rows: Iterable[Row]) -> Iterator[str]:
    """Yield lines with aligned columns; none if there are no rows."""
    cells = [[_line(cell) for cell in row] for row in rows]
    if not cells:
        return
    cells.insert(0, [title.upper() for title in head])
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
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
