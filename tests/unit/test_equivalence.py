"""Differences are explained by rules that cover all of them; rules that match nothing are named."""

from __future__ import annotations

import re

import pytest

from harness.contract.comparing.file_diff import FileChange
from harness.contract.proof.equivalence import explain, text_paths
from harness.contract.proof.equivalence_rules import Aspect, Rule, load


def rule(path: str, *may: Aspect, lines: str = "") -> Rule:
    pattern = re.compile(lines) if lines else None
    return Rule(path=path, may=may, lines=pattern, reason="r", source="s")


def changed(path: str, *fields: str) -> FileChange:
    return FileChange(path=path, change="changed", fields=dict.fromkeys(fields, ("1", "2")))


MOTD = changed("/etc/motd", "sha256", "size", "mode")


def test_what_no_rule_covers_is_left_and_no_more() -> None:
    left, explained, unused = explain([MOTD], [rule("/etc/motd", Aspect.CONTENT)], {})

    assert [list(each.fields) for each in left] == [["mode"]]
    assert explained[0].paths == ("/etc/motd",)
    assert unused == ()


def test_two_rules_cover_a_difference_together() -> None:
    rules = [
        rule("/etc/*", Aspect.CONTENT),
        rule("*motd", Aspect.MODE),
        rule("/usr/*", Aspect.MODE),
    ]

    left, explained, unused = explain([MOTD], rules, {})

    assert left == ()
    assert [each.rule for each in explained] == ["/etc/*", "*motd"]
    assert unused == ("/usr/*",)


@pytest.mark.parametrize(("change", "other"), [("added", "removed"), ("removed", "added")])
def test_one_side_alone_is_explained_by_its_own_aspect(change: str, other: str) -> None:
    only = FileChange(path="/a", change=change)

    assert explain([only], [rule("/a", Aspect(change))], {})[0] == ()
    assert explain([only], [rule("/a", Aspect(other))], {})[0] != ()


OS_RELEASE = changed("/usr/lib/os-release", "sha256", "size")
LINES = rule("/usr/lib/os-release", lines="^OPENSHIFT_VERSION=")


@pytest.mark.parametrize(
    ("old", "new", "is_explained"),
    [
        ("ID=rhel\n", "ID=rhel\nOPENSHIFT_VERSION=4.21\n", True),
        ("OPENSHIFT_VERSION=4.20\nID=rhel\n", "ID=rhel\nOPENSHIFT_VERSION=4.21\n", True),
        ("ID=rhel\n", "ID=fedora\nOPENSHIFT_VERSION=4.21\n", False),
        ("ID=rhel\n", "ID=rhel\nX_OPENSHIFT_VERSION=4.21\n", False),
        ("ID=rhel\nA=b\n", "A=b\nID=rhel\n", False),
    ],
)
def test_lines_of_a_rule_may_differ_and_no_others(
    old: str, new: str, *, is_explained: bool
) -> None:
    texts = {OS_RELEASE.path: (old, new)}

    left, _, _ = explain([OS_RELEASE], [LINES], texts)

    assert (left == ()) is is_explained


def test_a_rule_about_lines_excuses_nothing_but_content() -> None:
    also = changed(OS_RELEASE.path, "sha256", "owner")

    left, _, _ = explain([also], [LINES], {also.path: ("ID=rhel\n", "ID=rhel\n")})

    assert [list(each.fields) for each in left] == [["owner"]]


def test_a_content_that_was_not_read_is_not_explained() -> None:
    assert explain([OS_RELEASE], [LINES], {})[0] != ()
    assert text_paths([OS_RELEASE, MOTD], [LINES]) == {OS_RELEASE.path}


def test_capabilities_are_their_own_aspect() -> None:
    lost = changed("/usr/bin/ping", "xattr security.capability")

    assert explain([lost], [rule("/usr/bin/*", Aspect.CONTENT, Aspect.MODE)], {})[0] != ()
    assert explain([lost], [rule("/usr/bin/*", Aspect.XATTR)], {})[0] == ()


@pytest.mark.parametrize("shipped", load(), ids=lambda one: one.path)
def test_a_shipped_rule_allows_nothing_that_runs_to_change(shipped: Rule) -> None:
    """Modes, owners, capabilities and types of a node's programs are never explained away."""
    assert shipped.source
    assert not {Aspect.MODE, Aspect.OWNER, Aspect.XATTR, Aspect.TYPE} & set(shipped.may)
    assert not shipped.covers("/usr/bin/kubelet")
    assert not shipped.covers("/etc/passwd")
