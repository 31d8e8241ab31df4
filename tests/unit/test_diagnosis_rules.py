from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from diagnosis_samples import (
    RULES,
    Sample,
    engine,
    good_console,
    good_journal,
    healthy,
    line,
    samples,
    watch,
)

from harness.diagnosis import rules
from harness.diagnosis.line import Line, Stream
from harness.diagnosis.rules import Predicate, Rule
from harness.model.errors import InputError
from harness.model.record import Blame, Sighting, Weight

BY_NAME = {rule.name: rule for rule in RULES}
SAMPLES = samples()
HARMLESS = {rule.name for rule in RULES if rule.is_harmless}
A_RULE = """
[[rule]]
name = "one"
text = 'something (?P<what>\\w+)'
blame = "product"
weight = "fatal"
cause = "there was {what}"
advice = "look"
source = "here"
"""


def seen(sample: Sample, lines: tuple[Line, ...]) -> list[Sighting]:
    """Return the sightings of the sample's rule after each line came as often as it asks for."""
    found = []
    for one in lines:
        judge = engine(factor=0.5)
        rule = BY_NAME[sample.rule]
        for second in range(max(rule.at_least, rule.shown_from)):
            judge.hear(replace(one, at_s=10.0 + second), sample.phase)
        found += [seen for seen in judge.sightings if seen.rule == sample.rule]
    return found


def weight_of(rule: Rule) -> str:
    return rule.weight if rule.alone else Weight.WARNING


@pytest.mark.parametrize(
    "sample", [one for one in SAMPLES if one.rule not in HARMLESS], ids=lambda sample: sample.rule
)
def test_rule_takes_its_lines(sample: Sample) -> None:
    found = seen(sample, sample.hits)

    assert len(found) == len(sample.hits)
    assert {one.weight for one in found} == {weight_of(BY_NAME[sample.rule])}
    assert all(one.cause and "{" not in one.cause and one.lines for one in found)


@pytest.mark.parametrize(
    "sample", [one for one in SAMPLES if one.rule in HARMLESS], ids=lambda sample: sample.rule
)
def test_harmless_rule_takes_its_lines_from_all_others(sample: Sample) -> None:
    with_it, without = engine(), engine(only=tuple(r for r in RULES if r.name not in HARMLESS))

    for one in sample.hits:
        with_it.hear(one, sample.phase)
        without.hear(one, sample.phase)

    assert with_it.sightings == ()
    assert without.sightings


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.rule)
def test_rule_leaves_near_misses(sample: Sample) -> None:
    assert seen(sample, sample.misses) == []


def test_every_rule_has_lines_that_it_takes_and_near_misses() -> None:
    by_line = {rule.name for rule in RULES if rule.predicate is None}

    assert [sample.rule for sample in SAMPLES if not (sample.hits and sample.misses)] == []
    assert {sample.rule for sample in SAMPLES} == by_line


def test_good_run_has_nothing_fatal_and_no_warnings() -> None:
    judge = engine(factor=4.0)
    console, journal = good_console(), list(good_journal())

    phases = watch(judge, sorted((*console, *journal), key=lambda line: line.at_s))

    assert len(console) > 700
    assert len(journal) > 1000
    assert {"kernel", "initramfs", "ignition-files", "overlay-pull", "services"} <= {*phases}
    assert [(one.rule, one.cause) for one in judge.sightings] == []
    assert judge.fatal(1000.0) is None


@pytest.mark.parametrize("factor", [0.25, 1.0, 4.0])
def test_boot_whose_problems_end_well_has_nothing_fatal(factor: float) -> None:
    judge = engine(factor=factor)

    phases = watch(judge, healthy())
    fatal = [(one.rule, one.cause) for one in judge.sightings if one.weight is Weight.FATAL]

    assert fatal == []
    assert judge.fatal(1000.0) is None
    assert {"ignition-fetch", "overlay-pull", "overlay-apply", "kubelet"} <= {*phases}


def test_all_checks_of_kola_are_there() -> None:
    cited = {
        int(line)
        for rule in RULES
        for line in re.findall(r"mantle/kola/harness\.go:(\d+)", rule.source)
    }

    assert cited == {
        168, 174, 179, 183, 187, 191, 196, 201, 206, 210, 215, 220, 224, 228, 232, 236, 241,
    }  # fmt: skip


def test_what_the_rig_does_is_not_blamed_on_the_product() -> None:
    blames = {name: rule.blame for name, rule in BY_NAME.items()}

    assert blames["guest-powered-off"] == blames["guest-crashed"] == Blame.PRODUCT
    assert blames["qemu-ended"] == blames["harness-unit-failed"] == Blame.RIG
    assert blames["pull-denied"] == blames["ignition-config-invalid"] == Blame.TEST


def test_silence_is_shipped() -> None:
    rule = BY_NAME["silence"]

    assert (rule.predicate, rule.over_s, rule.weight) == (Predicate.SILENCE, 120.0, Weight.FATAL)
    assert "multi-user" not in rule.phases


def test_rule_is_read_with_its_defaults() -> None:
    (rule,) = rules.parse(A_RULE, "rules x")

    assert rule.name == "one"
    (mark,) = rule.marks
    assert mark.heard_on == {Stream.CONSOLE, Stream.JOURNAL, Stream.IGNITION}
    assert rule.text is not None
    assert rule.text.search("something odd")
    assert (rule.at_least, rule.grace_s, rule.rank) == (1, 0.0, 0)


@pytest.mark.parametrize(
    ("added", "problem"),
    [
        ("colour = 'red'", "unknown field `colour`"),
        ("phases = 'kernel'", "Expected `array`, got `str` - at `$.phases`"),
        ("streams = ['serial']", "Invalid enum value 'serial'"),
        ("streams = []", "length >= 1"),
        ("rank = 10", "`int` <= 9"),
        ("at_least = true", "got `bool` - at `$.at_least`"),
        ("grace_s = -1", "`float` >= 0.0"),
        ("unit = '('", "Not a regular expression: missing )"),
        ("unit = 3", "Expected a regular expression"),
        ("identifier = '.*'", "matches the empty text"),
        ("predicate = 'silence'\nover_s = 3", "needs either predicate"),
        ("over_s = 3", "over_s without a time"),
        ("within_s = 3", "within_s without at_least"),
        ("per = ['where']", "unknown group where"),
        ("explains = ['two']", "two in explains is not a fatal rule"),
        ("phases = ['kernl', 'overlay*']", "no phase is called kernl, named in phases"),
        ("phases = ['overlays*']", "no phase is called overlays*"),
    ],
)
def test_malformed_rule_is_reported_with_its_name(added: str, problem: str) -> None:
    with pytest.raises(InputError) as raised:
        rules.parse(A_RULE + added, "rules x")

    assert problem in raised.value.problem
    assert "one" in raised.value.subject


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ('"one"', '"One more"', "$.name"),
        ('"fatal"', '"allowed"', "Invalid enum value 'allowed'"),
        ('"fatal"', '"warning"\ngrace_s = 2', "need a fatal rule"),
        ('"product"', '"nobody"', "Invalid enum value 'nobody'"),
        ("{what}", "{who}", "has unknown fields: who"),
        ("{what}", "{what", "cannot be filled in"),
        ("was {what}", "was {what}.", "full stop"),
        ('advice = "look"', 'advice = """look\nfar"""', "$.advice"),
        ('source = "here"', "", "missing required field `source`"),
        ('source = "here"', 'source = ""', "$.source"),
        ("text = 'something (?P<what>\\w+)'", "predicate = 'silence'", "has no over_s"),
        ("[[rule]]", "[rule]", "has other fields than rules"),
        ("[[rule]]", "[[rules]]", "has other fields than rules"),
        ("[[rule]]", "x =", "not TOML"),
    ],
)
def test_malformed_field_is_reported(old: str, new: str, problem: str) -> None:
    assert old in A_RULE

    with pytest.raises(InputError, match="rules x") as raised:
        rules.parse(A_RULE.replace(old, new), "rules x")

    assert problem in raised.value.problem


@pytest.mark.parametrize(
    ("old", "new", "remedy"),
    [
        ('"fatal"', '"fatl"', "Use one of: fatal, warning, harmless."),
        ('"product"', '"nobody"', "Use one of: product, rig, test."),
        ('source = "here"', 'sorce = "here"', "Use source."),
        ('source = "here"', "", "Add source."),
        ('source = "here"', "source = 3", "Correct source."),
        ('source = "here"', 'source = "here"\npredicate = "quiet"', "Use one of: silence, stall."),
        ("[[rule]]", "[[rule]]\nany_of = [{ txt = 'x' }]", "Use text."),
        ("[[rule]]", "[[rule]]\nany_of = [{ text = 3 }]", "Correct any_of[0].text."),
        ("[[rule]]", "[[rule]]\nphases = ['x']", "Use some of: firmware, boot-loader, kernel,"),
    ],
)
def test_remedy_is_for_the_field_that_is_wrong(old: str, new: str, remedy: str) -> None:
    with pytest.raises(InputError) as raised:
        rules.parse(A_RULE.replace(old, new), "rules x")

    assert raised.value.remedy.startswith(remedy)


def test_unknown_field_like_no_other_is_reported_with_all_fields() -> None:
    with pytest.raises(InputError) as raised:
        rules.parse(A_RULE + "zzzz = 1", "rules x")

    assert raised.value.remedy.startswith("Use only: of, streams, identifier,")


def test_two_rules_of_one_name_are_refused() -> None:
    with pytest.raises(InputError, match="the name is used twice"):
        rules.parse(A_RULE * 2, "rules x")


def test_file_that_is_not_there_is_reported(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        rules.load([tmp_path / "none.toml"])


def own(folder: Path, text: str = A_RULE, name: str = "own.toml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_own_rules_are_asked_before_those_shipped(tmp_path: Path) -> None:
    text = A_RULE.replace("something", "Kernel panic - not syncing:")
    book = rules.load([own(tmp_path, text)])
    judge = engine(only=book.rules)

    judge.hear(line(Stream.CONSOLE, "[    2.391204] Kernel panic - not syncing: why"), "kernel")
    judge.hear(line(Stream.CONSOLE, "[    2.400000] Oops: 0000 [#1] SMP"), "kernel")

    assert [one.rule for one in judge.sightings] == ["one", "kernel-oops"]
    assert len(book.rules) == len(RULES) + 1


def test_own_rule_replaces_the_shipped_one_of_its_name(tmp_path: Path) -> None:
    book = rules.load([own(tmp_path, A_RULE.replace('"one"', '"kernel-panic"'))])

    assert [rule.cause for rule in book.rules if rule.name == "kernel-panic"] == [
        "there was {what}"
    ]
    assert len(book.rules) == len(RULES)


def test_own_rule_builds_on_marks_and_explains_rules_shipped_and_of_its_own(tmp_path: Path) -> None:
    marks = '[[mark]]\nname = "mine"\nof = "image-pull"\nstreams = ["journal"]\n'
    more = 'of = "mine"\nexplains = ["live-apply-gave-up", "one", "crash-loop"]\n'

    book = rules.load([own(tmp_path, marks + A_RULE + more)])

    (mark,) = book.rules[0].marks
    assert mark.speaker is not None
    assert mark.speaker.fullmatch("podman")
    assert mark.heard_on == {Stream.JOURNAL}
    assert "mine" in book.marks


def test_rules_of_several_files_are_asked_in_their_order(tmp_path: Path) -> None:
    other = A_RULE.replace('"one"', '"two"')

    book = rules.load([own(tmp_path), own(tmp_path, other, "more.toml")])

    assert [rule.name for rule in book.rules[:2]] == ["one", "two"]


@pytest.mark.parametrize(
    ("text", "where", "problem"),
    [
        (A_RULE + "of = 'nothing'", "[[rule]] number 1 (one)", "unknown mark nothing"),
        (A_RULE + "unit = 'x'\nevent = 'a b'", "number 1 (one)", "event with a unit or program"),
        (A_RULE * 2, "[[rule]] number 2 (one)", "the name is used twice"),
        (
            "[[mark]]\nname = 'image-pull'\ntext = 'x'",
            "[[mark]] number 1",
            "the name is used twice",
        ),
        ("[[mark]]\nname = 'a'\nof = 'b'", "[[mark]] number 1 (a)", "unknown mark b"),
        ("[[mark]]\ntext = 'x'", "[[mark]] number 1", "missing required field `name`"),
        ("[[phase]]", "own.toml", "has other fields than rules or marks"),
        ("[[rule]", "own.toml", "not TOML"),
    ],
)
def test_error_in_own_rules_names_file_and_entry(
    text: str, where: str, problem: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError) as raised:
        rules.load([own(tmp_path, text)])

    assert raised.value.subject.startswith(f"rules {tmp_path / 'own.toml'}")
    assert where in raised.value.subject
    assert problem in raised.value.problem
    assert raised.value.remedy


def test_rule_that_two_own_files_have_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"more\.toml.*the name is used twice"):
        rules.load([own(tmp_path), own(tmp_path, A_RULE, "more.toml")])
