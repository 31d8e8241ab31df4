"""Two runs side by side, as values and as text."""

from __future__ import annotations

from dataclasses import replace

import pytest
from composed_runs import SCENARIO, case, digest, layer, machine, phase, record, subject

from harness.model.record import (
    Blame,
    MissingCommand,
    MissingUnit,
    Outcome,
    QuotedLine,
    RunRecord,
    Sighting,
    TestRecord,
    Weight,
)
from harness.report.compare import Ending, TestChanges, compare
from harness.report.differences import Change
from harness.report.plain import comparison_text

LINE = QuotedLine(stream="journal", at_s=12.0, text="bash: line 1: jq: command not found")


def sighting(rule: str, weight: Weight = Weight.WARNING) -> Sighting:
    return Sighting(
        rule=rule, weight=weight, blame=Blame.PRODUCT, phase="kernel", at_s=3.0,
        cause="the kernel gave up", advice="read it", source="", lines=(LINE,),
    )  # fmt: skip


def groups(changes: TestChanges) -> dict[str, list[str]]:
    return {
        name: [change.id for change in getattr(changes, name)]
        for name in ("turned_red", "still_red", "turned_green", "new", "gone")
        if getattr(changes, name)
    }


@pytest.mark.parametrize(
    ("old", "new", "group"),
    [
        (Outcome.PASSED, Outcome.FAILED, "turned_red"),
        (Outcome.PASSED, Outcome.ERROR, "turned_red"),
        (Outcome.SKIPPED, Outcome.FAILED, "turned_red"),
        (Outcome.ALLOWED, Outcome.FAILED, "turned_red"),
        (None, Outcome.FAILED, "turned_red"),
        (Outcome.FAILED, Outcome.FAILED, "still_red"),
        (Outcome.ERROR, Outcome.FAILED, "still_red"),
        (Outcome.FAILED, Outcome.PASSED, "turned_green"),
        (Outcome.FAILED, Outcome.FLAKY, "turned_green"),
        (Outcome.FAILED, Outcome.ALLOWED, "turned_green"),
        (None, Outcome.PASSED, "new"),
        (Outcome.FAILED, None, "gone"),
        (Outcome.PASSED, Outcome.FLAKY, None),
        (Outcome.PASSED, Outcome.PASSED, None),
    ],
)
def test_a_test_is_in_one_group(
    old: Outcome | None, new: Outcome | None, group: str | None
) -> None:
    def tests(outcome: Outcome | None) -> tuple[TestRecord, ...]:
        return (case(outcome, "t"),) if outcome else ()

    found = compare(record(1, tests=tests(old)), record(2, tests=tests(new)))

    assert groups(found.tests) == ({group: ["t"]} if group else {})
    assert found.is_worse is (group == "turned_red")


def test_layers_of_the_same_machine_are_compared() -> None:
    old = record(
        1,
        machines=(
            machine("sno", after=layer("other-1-1.x86_64", ID="other")),
            machine(after=layer("cri-o-1.31-1.x86_64", OPENSHIFT_VERSION="4.18")),
        ),
    )
    new = record(
        2, machines=(machine(after=layer("cri-o-1.32-1.x86_64", OPENSHIFT_VERSION="4.19")),)
    )

    found = compare(old, new)

    assert found.node is not None
    assert found.node.packages.changed == (Change("cri-o", "1.31-1", "1.32-1"),)
    assert found.node.os_release == (("OPENSHIFT_VERSION", "4.18", "4.19"),)
    assert found.bootimage is None


def test_layers_of_different_machines_serve_where_none_is_common() -> None:
    old = record(1, machines=(machine("sno", before=layer("bash-5.1-1.x86_64")),))
    new = record(2, machines=(machine("ipi", before=layer("bash-5.2-1.x86_64")),))

    found = compare(old, new)

    assert found.bootimage is not None
    assert found.bootimage.packages.changed == (Change("bash", "5.1-1", "5.2-1"),)


def test_phases_stand_side_by_side_with_their_ratio() -> None:
    old = machine(phases=(phase("kernel", 4.0), phase("pull", 40.0, 4.0), phase("gone", 0.0)))
    failed = replace(phase("kubelet", 9.0, 64.0), is_failed=True)
    new = machine(phases=(phase("kernel", None), phase("pull", 60.0, 4.0), failed))

    found = compare(record(1, machines=(old,)), record(2, machines=(new,)))

    assert [(p.name, p.old_s, p.new_s, p.ratio) for p in found.phases] == [
        ("kernel", 4.0, None, None),
        ("pull", 40.0, 60.0, 1.5),
        ("gone", 0.0, None, None),
        ("kubelet", None, None, None),
    ]
    assert [(p.old_end, p.new_end) for p in found.phases] == [
        (Ending.ENDED, Ending.LASTS),
        (Ending.ENDED, Ending.ENDED),
        (Ending.ENDED, Ending.NOT_REACHED),
        (Ending.NOT_REACHED, Ending.FAILED),
    ]
    shown = comparison_text(found).splitlines()[-4:]
    assert [line.split("  ", 3)[-1].split() for line in shown] == [
        ["4.0", "s", "->", "lasts"],
        ["40.0", "s", "->", "60.0", "s", "x", "1.50"],
        ["0.0", "s", "->", "-"],
        ["-", "->", "failed"],
    ]


def test_tests_with_one_cause_are_shown_once() -> None:
    words = "PRODUCT failed in kernel\nmore"
    names = ("t::a", "t::b", "t::c")
    old = record(1, tests=tuple(case(Outcome.PASSED, name) for name in names))
    red = [case(Outcome.FAILED, name, Blame.PRODUCT, words) for name in names[:2]]
    new = record(2, tests=(*red, case(Outcome.FAILED, "t::c", Blame.PRODUCT, "other words")))

    text = comparison_text(compare(old, new))

    assert (
        "turned red: 3\n"
        "  2 tests: passed -> failed (product)\n"
        "      PRODUCT failed in kernel\n"
        "    - t::a\n"
        "    - t::b\n"
        "  t::c: passed -> failed (product)\n"
        "      other words\n"
    ) in text


def test_tests_without_message_are_shown_one_by_one() -> None:
    def night(number: int, outcome: Outcome) -> RunRecord:
        return record(number, tests=(case(outcome, "t::a"), case(outcome, "t::b")))

    text = comparison_text(compare(night(1, Outcome.FAILED), night(2, Outcome.PASSED)))

    assert "turned green: 2\n  t::a: failed -> passed\n  t::b: failed -> passed\n" in text


def test_only_new_sightings_are_shown() -> None:
    old = machine(sightings=(sighting("avc"), sighting("oom")))
    new = machine(sightings=(sighting("avc"), sighting("oom", Weight.FATAL), sighting("panic")))

    found = compare(record(1, machines=(old,)), record(2, machines=(new,)))

    assert [(new.sighting.rule, new.sighting.weight) for new in found.sightings] == [
        ("oom", Weight.FATAL),
        ("panic", Weight.WARNING),
    ]


def test_only_newly_missing_commands_are_shown() -> None:
    def missed(command: str) -> MissingCommand:
        return MissingCommand(caller="a.service", command=command, package=None, line=LINE)

    old = machine(missing_commands=(missed("jq"),))
    new = machine(missing_commands=(missed("jq"), missed("nmstatectl")))

    found = compare(record(1, machines=(old,)), record(2, machines=(new,)))

    assert [new.missing.what for new in found.missing_commands] == ["nmstatectl"]
    assert found.missing_units == ()


def test_newly_missing_units_are_shown_beside_commands() -> None:
    unit = MissingUnit(caller="a.service", unit="crio.service", package="cri-o", line=LINE)
    old, new = machine(), machine(missing_units=(unit,))

    found = compare(record(1, machines=(old,)), record(2, machines=(new,)))

    assert [new.missing.what for new in found.missing_units] == ["crio.service"]
    assert "a.service asked for crio.service, which cri-o brings" in comparison_text(found)


def a_worse_night() -> tuple[RunRecord, RunRecord]:
    old = record(
        1,
        tests=(case(Outcome.PASSED, "t::kubelet"),),
        machines=(machine(after=layer("cri-o-1.31-1.x86_64"), phases=(phase("pull", 40.0),)),),
    )
    new = record(
        2,
        subject=subject(node="c"),
        tests=(case(Outcome.FAILED, "t::kubelet", Blame.PRODUCT, "\x1b[31mno kubelet\nmore"),),
        machines=(
            machine(
                after=layer("cri-o-1.32-1.x86_64", "jq-1.6-1.x86_64"),
                phases=(phase("pull", 60.0),),
                sightings=(sighting("panic"),),
                missing_commands=(
                    MissingCommand(caller="a.service", command="jq", package="jq", line=LINE),
                ),
            ),
        ),
    )
    return old, new


def test_text_shows_all_that_differs() -> None:
    assert comparison_text(compare(*a_worse_night())) == (
        "old  run-01  2026-11-01T03:00:00Z  running\n"
        "new  run-02  2026-11-02T03:00:00Z  running\n"
        "\nwhat was tested\n"
        f"  bootimage_sha256   {'b' * 64}\n"
        "  acceleration       kvm\n"
        f"  node_image_digest  {digest('a')} -> {digest('c')}\n"
        "\nturned red: 1\n"
        "  t::kubelet: passed -> failed (product)\n"
        "      no kubelet\n"
        "\nnew sightings\n"
        f"  {SCENARIO}: panic (warning, product) in kernel: the kernel gave up\n"
        "\nnewly missing before live-apply\n"
        f"  {SCENARIO}: a.service called jq, which jq brings\n"
        "\npackages of the node\n"
        "  + jq-1.6-1.x86_64\n"
        "    cri-o  1.31-1 -> 1.32-1\n"
        "\npackages of the bootimage\n"
        "  unknown: in one of the runs no machine took a snapshot\n"
        "\nphases\n"
        f"  {SCENARIO} boot 1  Pull     40.0 s ->    60.0 s  x 1.50\n"
    )


def test_text_of_a_run_with_itself_is_calm() -> None:
    same = record(1, tests=(case(Outcome.PASSED),), machines=(machine(after=layer("a-1-1.x")),))

    text = comparison_text(compare(same, same))

    assert "turned red: nothing\n" in text
    assert "packages of the node\n  the same\n" in text
    assert "->" not in text


def test_foreign_text_cannot_pose_as_lines_of_the_comparison() -> None:
    forged = "a\n\nturned red: nothing\n\x1b[2J\u202e\tb"
    bad = replace(sighting(forged), phase=forged, cause=forged)
    missing = MissingCommand(caller=forged, command=forged, package=forged, line=LINE)
    there = machine(
        forged, sightings=(bad,), missing_commands=(missing,), phases=(phase(forged, 1.0),),
        after=layer(forged, **{forged: forged}), before=layer(forged),
    )  # fmt: skip
    new = replace(
        record(2, subject={forged: forged}, machines=(there,), started=forged),
        id=forged, tests=(case(Outcome.FAILED, forged, Blame.TEST, f"{forged} message"),),
    )  # fmt: skip
    usual = machine("m", after=layer("a-1-1.x86_64", ID="x"), before=layer("a-1-1.x86_64"))

    for text in (
        comparison_text(compare(record(1, machines=(usual,)), new)),
        comparison_text(compare(new, record(1, machines=(usual,)))),
    ):
        lines = text.splitlines()
        assert all(line.isprintable() for line in lines)
        assert len([line for line in lines if line.startswith("turned red")]) == 1


def test_one_wide_or_deep_phase_does_not_widen_all_rows() -> None:
    rows = [phase(f"phase {number}", 1.0) for number in range(300)]
    wide = [phase("w" * 100_000, 1.0), replace(phase("deep", 1.0), depth=10**9)]
    run = record(1, machines=(machine(phases=(*rows, *wide)),))

    text = comparison_text(compare(run, run))

    assert "w" * 90_000 in text
    assert len(text) < 1_000_000
