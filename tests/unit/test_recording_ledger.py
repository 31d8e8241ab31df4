"""Three or more reports a test become one record, whatever phases and attempts say."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from recording_fakes import TEST, make_report, noted, whole_test

from harness.model.record import Blame, Outcome, TestRecord
from harness.recording.ledger import Ledger, cut, is_only_rigs
from harness.recording.notes import Note, put_note


def record_of(*reports: pytest.TestReport) -> TestRecord:
    (test,) = after(reports).tests
    return test


def after(reports: Iterable[pytest.TestReport]) -> Ledger:
    ledger = Ledger(lambda text: text.replace("hush", "-"))
    for report in reports:
        ledger.add(report)
    return ledger


def outcomes(ledger: Ledger) -> list[Outcome]:
    return [test.outcome for test in ledger.tests]


def failed(blame: Blame) -> pytest.TestReport:
    report = make_report(outcome="failed", longrepr=f"{blame} misbehaved")
    if blame is Blame.RIG:
        report.when = "setup"
    return noted(report, blame)


def test_test_that_passes() -> None:
    found = record_of(*whole_test(make_report()))

    assert found == TestRecord(
        id=TEST, outcome=Outcome.PASSED, duration_s=1.5, scenario="fake", attempts=1
    )


@pytest.mark.parametrize(
    ("reports", "outcome", "blame", "message"),
    [
        (
            whole_test(failed(Blame.PRODUCT)),
            Outcome.FAILED, Blame.PRODUCT, "product misbehaved",
        ),
        (
            [failed(Blame.RIG), make_report("teardown")],
            Outcome.ERROR, Blame.RIG, "rig misbehaved",
        ),
        (
            [make_report("setup"), make_report(), noted(
                make_report("teardown", "failed", "the guest did not shut down"), Blame.PRODUCT
            )],
            Outcome.FAILED, Blame.PRODUCT, "the guest did not shut down",
        ),
        (
            whole_test(make_report(outcome="failed", longrepr="a hush in a plain test")),
            Outcome.FAILED, Blame.TEST, "a - in a plain test",
        ),
        (
            whole_test(make_report(outcome="skipped", longrepr=("t.py", 1, "Skipped: no KVM"))),
            Outcome.SKIPPED, None, "no KVM",
        ),
        (
            whole_test(make_report(outcome="skipped", longrepr=("t.py", 1, "Skipped: a hush"))),
            Outcome.SKIPPED, None, "a -",
        ),
        (
            whole_test(make_report(outcome="skipped", longrepr="E", wasxfail="a known gap")),
            Outcome.SKIPPED, None, "a known gap",
        ),
    ],
    ids=["product", "rig", "product-in-teardown", "nobody-judged", "skipped", "skipped-secret",
         "xfailed"],
)  # fmt: skip
def test_red_and_skipped(
    reports: list[pytest.TestReport], outcome: Outcome, blame: Blame | None, message: str
) -> None:
    found = record_of(*reports)

    assert (found.outcome, found.blame, found.message) == (outcome, blame, message)


def test_message_of_a_note_replaces_the_traceback() -> None:
    report = make_report(outcome="failed", longrepr="a traceback")
    put_note(report, Note(blame=Blame.PRODUCT, message="the pull failed"))

    assert record_of(*whole_test(report)).message == "the pull failed"


def test_two_failures_of_one_test_are_blamed_as_the_first() -> None:
    later = noted(make_report("teardown", "failed", "no shutdown"), Blame.PRODUCT)

    found = record_of(make_report(outcome="failed", longrepr="a plain test"), later)

    assert (found.blame, found.message) == (Blame.TEST, "a plain test\n\nno shutdown")


def test_scenario_is_found_among_other_properties() -> None:
    report = make_report()
    report.user_properties.insert(0, ("node_image", "oci:x"))

    assert record_of(report).scenario == "fake"


def test_failure_and_error_of_one_test_are_both_shown_and_the_failure_counts() -> None:
    error = noted(make_report("teardown", "failed", "the host fell over"), Blame.RIG)

    found = record_of(make_report("setup"), failed(Blame.PRODUCT), error)

    assert found.outcome is Outcome.FAILED
    assert found.blame is Blame.PRODUCT
    assert found.message == "product misbehaved\n\nthe host fell over"


def test_allowed_failure_is_neither_passed_nor_red() -> None:
    call = make_report(outcome="skipped", longrepr="the unit failed")
    noted(call, Blame.PRODUCT, allowed_by="https://issues.example/1")

    found = record_of(*whole_test(call))

    assert found.outcome is Outcome.ALLOWED
    assert found.blame is Blame.PRODUCT
    assert found.allowed_by == "https://issues.example/1"


def again(attempt: int, call: pytest.TestReport) -> list[pytest.TestReport]:
    """Return the reports of an attempt as pytest-rerunfailures logs them."""
    vars(call)["rerun"] = attempt - 1
    return whole_test(call, rerun=attempt - 1)


def test_test_that_passes_again_is_flaky_and_shows_what_was_before() -> None:
    first = failed(Blame.PRODUCT)
    vars(first)["outcome"] = "rerun"

    found = record_of(*again(1, first), *again(2, make_report()))

    assert found.outcome is Outcome.FLAKY
    assert found.attempts == 2
    assert found.blame is None
    assert found.message == "product misbehaved"


def test_failed_attempt_that_is_made_again_is_not_red_meanwhile() -> None:
    first = failed(Blame.PRODUCT)
    vars(first)["outcome"] = "rerun"
    ledger = Ledger(str)
    ledger.begin(TEST)

    for report in again(1, first)[:2]:
        ledger.add(report)

    assert outcomes(ledger) == []


def test_test_that_passes_after_a_red_attempt_is_blamed_on_nobody() -> None:
    found = record_of(*again(1, failed(Blame.PRODUCT)), *again(2, make_report()))

    assert (found.outcome, found.blame) == (Outcome.FLAKY, None)


def test_test_that_fails_at_every_attempt_is_as_the_last_says() -> None:
    first = failed(Blame.RIG)
    vars(first)["outcome"] = "rerun"

    found = record_of(*again(1, first), *again(2, failed(Blame.PRODUCT)))

    assert found.outcome is Outcome.FAILED
    assert found.blame is Blame.PRODUCT
    assert found.attempts == 2
    assert found.message == "product misbehaved"


def test_teardown_of_a_flaky_test_can_still_fail() -> None:
    first = failed(Blame.PRODUCT)
    vars(first)["outcome"] = "rerun"
    *second, _ = again(2, make_report())
    error = noted(make_report("teardown", "failed", "no shutdown", rerun=1), Blame.RIG)

    found = record_of(*again(1, first), *second, error)

    assert found.outcome is Outcome.ERROR
    assert found.message == "no shutdown"


def test_test_that_is_not_over_has_no_outcome_unless_it_is_red() -> None:
    setup, call, teardown = whole_test(make_report())
    ledger = Ledger(str)
    ledger.begin(TEST)
    ledger.add(setup)
    ledger.add(call)
    assert outcomes(ledger) == []
    assert list(ledger.running) == [TEST]

    ledger.add(teardown)
    assert outcomes(ledger) == [Outcome.PASSED]
    assert list(ledger.running) == []

    ledger.begin("another")
    ledger.add(noted(make_report("setup", "failed", "no host", nodeid="another"), Blame.RIG))
    assert outcomes(ledger) == [Outcome.PASSED, Outcome.ERROR]


ENDLESS = "begin" + "x" * 100_000 + "end"


@pytest.mark.parametrize(
    ("outcome", "longrepr"), [("failed", ENDLESS), ("skipped", ("t.py", 1, ENDLESS))]
)
def test_endless_message_loses_its_middle(outcome: str, longrepr: object) -> None:
    message = record_of(*whole_test(make_report(outcome=outcome, longrepr=longrepr))).message

    assert len(message) < 21_000
    assert message.startswith("begin")
    assert message.endswith("end")
    assert "characters cut" in message


def test_message_is_cut_to_the_limit_and_no_shorter() -> None:
    assert cut("x" * 20_000) == "x" * 20_000
    assert cut("x" * 20_001) == f"{'x' * 10_000}\n[1 characters cut]\n{'x' * 10_000}"


@pytest.mark.parametrize(
    ("blames", "expected"),
    [((), False), ((Blame.RIG, Blame.RIG), True), ((Blame.RIG, Blame.PRODUCT), False),
     ((Blame.TEST,), False)],
)  # fmt: skip
def test_red_that_is_only_the_rigs(blames: tuple[Blame, ...], expected: bool) -> None:
    green = TestRecord(id="green", outcome=Outcome.PASSED)
    red = [TestRecord(id=str(n), outcome=Outcome.ERROR, blame=b) for n, b in enumerate(blames)]

    assert is_only_rigs([green, *red]) is expected
