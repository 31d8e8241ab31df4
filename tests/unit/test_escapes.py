"""Nothing that a terminal would obey is left; one rule for a machine's streams and for reports."""

from __future__ import annotations

import pytest

from harness.model import escapes


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("\x1b[H\x1b[J\x1b[1;1Hmenu", "menu"),
        ("[\x1b[0;32m  OK  \x1b[0m] Started", "[  OK  ] Started"),
        ("dbus.socket\x1b[…- D-Bus", "dbus.socket…- D-Bus"),
        ("systemd-udev-trig…[0m - Coldplug", "systemd-udev-trig… - Coldplug"),
        ("\x1bM\x1b[K\x1b(Bx\x1bcy\x1b7z", "xyz"),
        ("\x1b]8;;https://a.example\x1b\\link\x1b]8;;\x07 x", "link x"),
        ("bell\x07 nul\x00 tab\tdone\x7f", "bell nul tab done"),
    ],
)
def test_escape_sequences_and_controls_are_not_shown(raw: str, shown: str) -> None:
    assert escapes.displayed(raw) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[0;32m  OK  \x1b[0m] Started", "  OK  ] Started"),
        ("\x1b[1;1H\x1b[J\x1b]0;title\x07\x1b(Bx\r\n", "x\n"),
        ("\x1b]8;;https://example.org\x1b\\link", "link"),
        ("cut \x1b[…- off, and trig…[0m - on\x1b", "cut …- off, and trig… - on"),
        ("nul\x00 bell\x07 half\udc80", "nul\ufffd bell\ufffd half\ufffd"),
        ("turned \u202e round", "turned \ufffd round"),
        ("tab\tand \u00e9\n", "tab\tand \u00e9\n"),
    ],
)
def test_invisible_characters_are_marked(text: str, shown: str) -> None:
    assert escapes.printable(text) == shown
