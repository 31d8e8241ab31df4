"""Reads a page of a run as a parser does, for tests of what is in it."""

from __future__ import annotations

from collections.abc import Mapping
from html.parser import HTMLParser

from harness.model.record import RunRecord
from harness.report import page


class Reader(HTMLParser):
    """What a page is made of: its tags, its attributes, and the text outside of `style`."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.links: list[str] = []
        self.parts: list[str] = []
        self._is_style = False
        self.feed(text)
        self.close()

    @property
    def text(self) -> str:
        return " ".join("".join(self.parts).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self.links += [value or "" for name, value in attrs if name in ("href", "src")]
        self._is_style = tag == "style"
        if tag in ("td", "th", "dt", "dd"):
            self.parts.append(" ")

    def handle_endtag(self, tag: str) -> None:
        self._is_style = self._is_style and tag != "style"

    def handle_data(self, data: str) -> None:
        if not self._is_style:
            self.parts.append(data)


def read(run: RunRecord, excerpts: Mapping[str, tuple[str, ...]] | None = None) -> Reader:
    return Reader(page.render(run, excerpts or {}))
