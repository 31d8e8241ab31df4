from __future__ import annotations

from dataclasses import replace

from harness.diagnosis.narrate import narrate, narrate_stuck
from harness.model.record import Blame, MissingCommand, QuotedLine, Sighting, Weight

PANIC = Sighting(
    rule="kernel-panic", weight=Weight.FATAL, blame=Blame.PRODUCT, phase="initramfs", at_s=41.2,
    cause="the kernel panicked: Attempted to kill init!", advice="See the trace before it.",
    source="coreos-assembler mantle/kola/harness.go:179",
    lines=(
        QuotedLine(stream="console", at_s=40.9, text="systemd[1]: Freezing execution"),
        QuotedLine(stream="console", at_s=41.2, text="Kernel panic - not syncing: x"),
    ),
)  # fmt: skip
WARNING = replace(
    PANIC, rule="avc-denied", weight=Weight.WARNING, cause="SELinux denied crio", at_s=3
)
MISSING = MissingCommand(
    caller="my.service", command="oc", package="openshift-clients",
    line=QuotedLine(stream="journal", at_s=5.0, text="bash: oc: command not found"),
)  # fmt: skip


def narrated(sighting: Sighting = PANIC, warnings: int = 0, missing: int = 0) -> str:
    return narrate(
        sighting, elapsed_s=42.3, title_of_phase="initramfs", evidence="/evidence/one",
        warnings=(WARNING,) * warnings, missing=(MISSING,) * missing,
    )  # fmt: skip


def test_headline_says_who_where_when_and_why() -> None:
    headline = narrated().splitlines()[0]

    assert headline == (
        "PRODUCT failed in initramfs after 42 s: the kernel panicked: Attempted to kill init!"
    )


def test_whole_text_has_lines_advice_rule_and_evidence() -> None:
    assert narrated(warnings=1, missing=1).splitlines()[1:] == [
        "   40.9 s console | systemd[1]: Freezing execution",
        "   41.2 s console | Kernel panic - not syncing: x",
        "  advice: See the trace before it.",
        "  rule: kernel-panic (coreos-assembler mantle/kola/harness.go:179)",
        "  missing: my.service called oc; openshift-clients brings it",
        "  warning: SELinux denied crio, after 3.0 s",
        "  evidence: /evidence/one",
    ]


def test_rig_and_test_are_named_as_such() -> None:
    assert narrated(replace(PANIC, blame=Blame.RIG)).startswith("RIG failed in")
    assert narrated(replace(PANIC, blame=Blame.TEST)).startswith("TEST failed in")


def test_loop_says_how_often() -> None:
    text = narrated(replace(PANIC, count=6))

    assert "  seen 6 times, first after 41.2 s" in text.splitlines()


def test_command_without_a_known_package_is_reported_without_one() -> None:
    text = narrate(
        PANIC, elapsed_s=1.0, title_of_phase="kernel", evidence="e",
        missing=(replace(MISSING, package=None),),
    )  # fmt: skip

    assert "  missing: my.service called oc" in text.splitlines()


def test_allowed_warning_names_who_signed_for_it() -> None:
    signed = replace(WARNING, weight=Weight.ALLOWED, allowed_by="https://issues.example/1")

    text = narrate(PANIC, elapsed_s=1.0, title_of_phase="x", evidence="e", warnings=(signed,))

    assert "(allowed: https://issues.example/1)" in text


def test_text_stays_short_whatever_was_seen() -> None:
    line = QuotedLine(stream="journal", at_s=1.0, text="x" * 4000)
    much = replace(PANIC, lines=(line,) * 40, count=7)

    text = narrated(much, warnings=30, missing=30)

    assert len(text.splitlines()) < 25
    assert max(len(one) for one in text.splitlines()) < 220
    assert "warning: and 25 more, in report.json" in text
    assert "missing: and 27 more, in report.json" in text


def test_decisive_lines_are_the_last_to_go() -> None:
    lines = tuple(QuotedLine(stream="console", at_s=n, text=f"line {n}") for n in range(12))

    text = narrated(replace(PANIC, lines=lines))

    assert "line 11" in text
    assert "line 3" not in text


def test_words_with_line_ends_stay_in_their_line() -> None:
    gone = QuotedLine(stream="harness", at_s=9.0, text="QEMU ended by itself\n  qemu: killed")

    text = narrated(replace(PANIC, lines=(gone,)))

    assert "    9.0 s harness | QEMU ended by itself qemu: killed" in text.splitlines()


def test_streams_stand_in_a_column() -> None:
    lines = (
        QuotedLine(stream="console", at_s=1.0, text="a"),
        QuotedLine(stream="ignition", at_s=100.25, text="b"),
    )

    text = narrated(replace(PANIC, lines=lines))

    assert text.splitlines()[1:3] == ["    1.0 s console  | a", "  100.2 s ignition | b"]


def test_wait_that_ran_out_shows_the_last_lines_of_each_stream() -> None:
    lines = tuple(
        QuotedLine(stream=stream, at_s=float(n), text=f"{stream} {n}")
        for stream in ("console", "journal", "events")
        for n in range(10)
    )

    text = narrate_stuck(
        "no SSH within 120 s", elapsed_s=130.0, title_of_phase="start of services",
        last_lines=lines, evidence="/evidence/one", warnings=(WARNING,),
    )  # fmt: skip

    assert text.startswith("PRODUCT stuck in start of services after 130 s: no SSH within 120 s\n")
    assert "console 9" in text
    assert "events 9" in text
    assert "journal 1" not in text
    assert "evidence: /evidence/one" in text
    assert "warning: SELinux denied crio" in text
    assert len(text.splitlines()) < 25


def test_wait_that_ran_out_in_silence_is_reported_without_lines() -> None:
    text = narrate_stuck(
        "no SSH", elapsed_s=9.0, title_of_phase="firmware", last_lines=(), evidence="e"
    )

    assert text.splitlines()[-1] == "  evidence: e"
    assert len(text.splitlines()) == 3
