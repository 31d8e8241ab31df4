"""Text stays text: in a browser, and where the page is unescaped once more than it should be."""

from __future__ import annotations

import html
from html.parser import HTMLParser

import pytest
from markupsafe import Markup

from harness.report import inert

HOSTILE = (
    "<script>alert(1)</script>",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "&amp;lt;b&amp;gt;",
    "a < b && c > d \"quoted\" 'quoted'",
    "</pre></main></html>",
    "<!-- comment",
    "<",
    "&",
    "&#60;img src=x onerror=alert(1)&#62;",
)


class Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        self.tags.append(tag)

    def handle_comment(self, data: str) -> None:
        self.tags.append("comment")

    def handle_data(self, data: str) -> None:
        self.text += data


def read(markup: str) -> Reader:
    reader = Reader()
    reader.feed(f"<p>{markup}</p>")
    reader.close()
    return reader


@pytest.mark.parametrize("text", HOSTILE)
def test_shown_text_is_the_text(text: str) -> None:
    found = read(str(inert.shown(text)))

    assert found.text == text
    assert set(found.tags) <= {"p", "wbr"}


@pytest.mark.parametrize("text", HOSTILE)
def test_shown_text_is_the_text_where_it_is_unescaped_twice(text: str) -> None:
    found = read(html.unescape(str(inert.shown(text))))

    assert found.text == text
    assert set(found.tags) <= {"p", "wbr"}


@pytest.mark.parametrize("text", HOSTILE)
def test_plain_text_means_nothing_to_any_parser(text: str) -> None:
    assert not set("<>&\"'\n") & set(inert.plain(text + "\n"))


def test_markup_is_left_alone() -> None:
    assert inert.shown(Markup("<b>")) == "<b>"
    assert inert.shown(7) == 7


@pytest.mark.parametrize(
    ("text", "link"),
    [
        (
            "https://tracker.example/show?id=1&x=2#c3",
            "https://tracker.example/show?id=1&amp;x=2#c3",
        ),
        ("http://a.example/%20b", "http://a.example/%20b"),
        ('https://a.example/"onclick="x', "https://a.example/%22onclick=%22x"),
        ("https://a.example/<'b> c", "https://a.example/%3C%27b%3E%20c"),
        ("javascript:alert(1)", None),
        ("systemd, src/core/job.c", None),
        ("https://", None),
        ("", None),
    ],
)
def test_only_addresses_of_the_web_are_links(text: str, link: str | None) -> None:
    assert inert.web_link(text) == link


def test_path_is_a_path_and_no_address() -> None:
    assert inert.path_link("a b/javascript:x?#'\"") == "a%20b/javascript%3Ax%3F%23%27%22"
