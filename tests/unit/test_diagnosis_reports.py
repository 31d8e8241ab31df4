"""Boots of public bug reports end in their cause, and in time; boots that end well go on."""

from __future__ import annotations

from dataclasses import replace

import pytest
from diagnosis_reports import Report, play, reports

REPORTS = reports()
LOST = tuple(report for report in REPORTS if report.rule)
WELL = tuple(report for report in REPORTS if not report.rule)


def named(name: str) -> Report:
    return next(report for report in REPORTS if report.name == name)


@pytest.mark.parametrize("report", LOST, ids=lambda report: report.name)
def test_boot_of_a_report_ends_in_its_cause_in_time(report: Report) -> None:
    outcome = play(report)

    assert outcome.fatal is not None
    assert (outcome.fatal.rule, outcome.fatal.blame) == (report.rule, report.blame)
    assert report.says in outcome.fatal.cause
    assert outcome.at_s <= report.within_s


@pytest.mark.parametrize("report", WELL, ids=lambda report: report.name)
def test_boot_that_ends_well_has_only_the_warnings_that_are_expected(report: Report) -> None:
    outcome = play(report)

    assert outcome.fatal is None
    assert tuple(one.rule for one in outcome.warnings) == report.warnings
    assert not report.says or report.says in {one.cause for one in outcome.warnings}


def test_report_that_ends_too_early_names_the_rules_that_counted() -> None:
    report = named("blobs-come-from-a-host-that-is-cut-off")

    outcome = play(replace(report, end_s=400.0))

    assert outcome.fatal is None
    assert [one.rule for one in outcome.half_counted] == ["pull-timeout", "pull-retries"]


def test_slow_host_has_more_time_for_a_pull_without_a_word() -> None:
    report = named("pull-hangs-while-others-talk")

    outcome = play(report, factor=4.0)

    assert outcome.at_s > 4 * 600


def test_lines_of_a_fatal_sighting_hold_the_last_words() -> None:
    outcome = play(named("kubelet-whose-trace-hides-the-reason"))

    assert outcome.fatal is not None
    assert any("permission denied" in line.text for line in outcome.fatal.lines)


def test_unit_that_fails_during_the_pull_is_not_reported_as_part_of_it() -> None:
    installers, pulls = (
        play(named("unit-of-the-installer-alone")),
        play(named("signature-is-required")),
    )

    assert installers.fatal is not None
    assert pulls.fatal is not None
    assert (installers.fatal.phase, pulls.fatal.phase) == ("services", "overlay-pull")


def test_shutdown_that_is_reported_late_still_explains_what_failed_by_it() -> None:
    report = named("reboot-that-the-pivot-asked-for")
    asked = next(line for line in report.lines if "pivot done" in line.text)
    rest = [line for line in report.lines if line is not asked]
    place = next(n for n, line in enumerate(rest) if "run-user" in line.text)
    late = replace(report, lines=(*rest[: place + 1], asked, *rest[place + 1 :]))

    outcome = play(late)

    assert outcome.warnings == ()
