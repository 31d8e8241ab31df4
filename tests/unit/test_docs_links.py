"""Relative links in the documentation lead to files that exist."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
LINK = re.compile(r"\]\(([^)#\s]+)")


def test_relative_links_lead_to_files() -> None:
    assert [f"{page.name}: {link}" for page in PAGES for link in broken_links(page)] == []


def test_every_page_of_the_docs_is_linked() -> None:
    linked = {
        target.resolve() for page in PAGES for target in map(page.parent.joinpath, links(page))
    }

    assert [page.name for page in PAGES if page.parent != ROOT and page not in linked] == []


def broken_links(page: Path) -> Iterator[str]:
    return (link for link in links(page) if not (page.parent / link).exists())


def links(page: Path) -> list[str]:
    found = LINK.findall(page.read_text(encoding="utf-8"))
    return [link for link in found if not link.startswith(("https:", "http:", "mailto:"))]
