"""What the rules see in a console that was kept."""

from __future__ import annotations

from diagnosis_replay import transcript

from harness.diagnosis.replay import replay
from harness.diagnosis.rules import Rulebook, parse, shipped

WIDGET = """
[[rule]]
name = "widget-lost"
text = '^widget (?P<name>[^ ]+) is lost$'
identifier = "widgetd"
blame = "product"
weight = "fatal"
cause = "the widget {name} is lost"
advice = "look for it"
source = "a test"
"""
BANNER = "[    0.000000] Linux version 6.1.0\n"
CONSOLE = f"{BANNER}[    9.500000] widgetd[7]: widget blue is lost"


def own() -> Rulebook:
    return Rulebook(rules=parse(WIDGET, "own"))


def test_fatal_line_gives_the_rules_cause_by_the_guests_time() -> None:
    found = replay(CONSOLE, own())

    assert found.fatal is not None
    assert (found.fatal.cause, found.fatal.at_s) == ("the widget blue is lost", 9.5)
    assert found.render().splitlines() == [
        "fatal (product) in phase kernel: the widget blue is lost",
        "    9.5 s console | widgetd: widget blue is lost",
        "  advice: look for it",
        "  rule: widget-lost (a test)",
    ]


def test_times_go_on_in_the_next_boot() -> None:
    found = replay(f"{BANNER}[   60.000000] bye\n{CONSOLE}\n", own())

    assert found.fatal is not None
    assert found.fatal.at_s == 69.5


def test_cause_comes_before_what_follows_from_it() -> None:
    found = replay(transcript("badign-console.txt"), shipped())

    assert found.fatal is not None
    assert found.fatal.rule == "initramfs-unit-failed"
    assert [one.rule for one in found.others] == ["emergency-shell", "dependency-failed"]


def test_good_boot_shows_nothing() -> None:
    found = replay(transcript("good-console.txt"), shipped())

    assert found.fatal is None
    assert found.render() == "no rule matches a line"
