"""Red tests are attributed to product, rig or test, in pytest's own reports too."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path
from types import SimpleNamespace

import pytest
from recording_fakes import TEST, When, make_artifacts, make_report

from harness.diagnosis import allow
from harness.diagnosis.allow import AllowList
from harness.model.errors import HarnessError, InputError, ProductError, RigError, SuiteError
from harness.model.record import Blame, Sighting, Weight
from harness.plugin.reports import Judge, add_properties, set_properties, take_secrets_out
from harness.recording import notes
from harness.recording.notes import note_of, status

MARKER = "node_image"
TRACKER = "https://issues.example/NODE-1"


def raised(error: BaseException) -> pytest.ExceptionInfo[BaseException]:
    with pytest.raises(type(error)) as caught:
        raise error
    return caught


def red(when: When = "call") -> pytest.TestReport:
    return make_report(when, "failed", "a traceback of pytest's")


def judge(tmp_path: Path, entries: str = "", **more: object) -> Judge:
    (tmp_path / "allow.toml").write_text(entries)
    allowed = allow.load(tmp_path / "allow.toml") if entries else AllowList()
    return Judge(artifacts=make_artifacts(tmp_path), allowed=allowed, **more)  # type: ignore[arg-type]


def failing_claim() -> None:
    pytest.fail("no kubelet")


@pytest.mark.parametrize(
    ("error", "when", "blame", "shown_as"),
    [
        (ProductError("no overlay"), "setup", Blame.PRODUCT, "call"),
        (ProductError("no kubelet"), "call", Blame.PRODUCT, "call"),
        (ProductError("no shutdown"), "teardown", Blame.PRODUCT, "teardown"),
        (SuiteError("its Ignition fails"), "setup", Blame.TEST, "call"),
        (RigError("no host"), "setup", Blame.RIG, "setup"),
        (RigError("connection lost"), "call", Blame.RIG, "setup"),
        (InputError("x", "is wrong", "mend it"), "call", Blame.RIG, "setup"),
        (HarnessError("whatever"), "call", Blame.RIG, "setup"),
        (AssertionError("no kubelet"), "call", Blame.PRODUCT, "call"),
        (KeyError("kubelet"), "call", Blame.TEST, "call"),
        (AssertionError("no database"), "setup", Blame.TEST, "setup"),
        (OSError("no database"), "teardown", Blame.TEST, "teardown"),
    ],
)
def test_blame_and_kind_of_red(
    tmp_path: Path, error: BaseException, when: When, blame: Blame, shown_as: str
) -> None:
    report = red(when)

    found = judge(tmp_path).sort(report, raised(error))
    notes.set_kind(report)

    note = note_of(report)
    assert note is not None
    assert found is note.blame is blame
    assert report.when == shown_as
    assert report.failed


@pytest.mark.parametrize(
    ("cause", "blame", "shown_as"),
    [
        (RigError("connection lost"), Blame.RIG, "setup"),
        (SuiteError("its Ignition fails"), Blame.TEST, "call"),
        (KeyError("kubelet"), Blame.PRODUCT, "call"),
    ],
)
def test_claim_raised_from_an_error_of_ours_takes_its_blame(
    tmp_path: Path, cause: Exception, blame: Blame, shown_as: str
) -> None:
    report, error = red(), AssertionError("no kubelet")
    error.__cause__ = cause

    found = judge(tmp_path).sort(report, raised(error))
    notes.set_kind(report)

    assert (found, report.when) == (blame, shown_as)
    assert report.longrepr == "a traceback of pytest's"


def claim_about(node: dict[str, str]) -> None:
    assert node["kubelet"] == "hunter-two", "no kubelet"


def test_reason_of_an_assertion_comes_before_its_traceback(tmp_path: Path) -> None:
    found, report = judge(tmp_path), red()
    found.artifacts.redactor.add("hunter-two")
    with pytest.raises(AssertionError) as caught:
        claim_about({"kubelet": "none"})
    report.longrepr = caught.getrepr(style="long", funcargs=True)

    found.sort(report, caught)

    note = note_of(report)
    assert note is not None
    assert note.message.startswith("AssertionError: no kubelet\n")
    assert "\n\nnode = {'kubelet': 'none'}\n" in note.message
    assert "hunter-two" not in note.message


def test_failed_claim_of_pytest_is_the_products(tmp_path: Path) -> None:
    with pytest.raises(pytest.fail.Exception) as caught:
        failing_claim()

    assert judge(tmp_path).sort(red(), caught) is Blame.PRODUCT


def test_what_our_fixtures_raise_is_the_rigs(tmp_path: Path) -> None:
    from harness.plugin import fixtures

    asked: Callable[..., object] = fixtures.bootimage.__wrapped__  # type: ignore[attr-defined]
    with pytest.raises(AttributeError) as caught:
        asked(SimpleNamespace(config=None))

    assert judge(tmp_path).sort(red("setup"), caught) is Blame.RIG


def test_our_errors_are_shown_by_their_message_and_with_the_facts(tmp_path: Path) -> None:
    facts = (("bootimage", "boot.raw"), ("evidence", "/kept/run-1"))
    failure, error = red(), red()

    judge(tmp_path, facts=facts).sort(failure, raised(ProductError("no kubelet")))
    judge(tmp_path, facts=facts).sort(error, raised(RigError("no host")))

    assert failure.longrepr == "no kubelet\n\nbootimage  boot.raw\nevidence   /kept/run-1"
    assert error.longrepr == "no host"


def test_other_errors_are_shown_as_pytest_does(tmp_path: Path) -> None:
    report = red()

    judge(tmp_path).sort(report, raised(AssertionError("no kubelet")))

    assert report.longrepr == "a traceback of pytest's"


def test_secrets_do_not_get_into_notes(tmp_path: Path) -> None:
    found = judge(tmp_path)
    found.artifacts.redactor.add("hunter-two")
    ours, theirs = red(), make_report("call", "failed", "E  assert 'hunter-two' in ''")

    found.sort(ours, raised(ProductError("login with hunter-two refused")))
    found.sort(theirs, raised(AssertionError()))

    assert ours.longrepr == "login with [removed] refused"
    shown = [note.message for report in (ours, theirs) if (note := note_of(report))]
    assert shown == ["login with [removed] refused", "E  assert '[removed]' in ''"]


def test_secrets_do_not_stay_in_what_pytest_shows() -> None:
    failed, skipped = red(), make_report(outcome="skipped", longrepr=("t.py", 1, "no hush"))
    failed.longrepr = "E  assert 'hush' in ''"
    failed.sections = [("Captured stdout call", "printed hush")]

    for report in (failed, skipped):
        take_secrets_out(report, lambda text: text.replace("hush", "-"))

    assert failed.longrepr == "E  assert '-' in ''"
    assert failed.sections == [("Captured stdout call", "printed -")]
    assert skipped.longrepr == ("t.py", 1, "no -")


@pytest.mark.parametrize(("message", "is_kept"), [("no kubelet", True), ("no hush", False)])
def test_clean_traceback_stays_as_pytest_made_it(message: str, *, is_kept: bool) -> None:
    report = red()
    made = raised(AssertionError(message)).getrepr(style="long")
    report.longrepr = made

    take_secrets_out(report, lambda text: text.replace("hush", "-"))

    assert (report.longrepr is made) is is_kept
    assert "no hush" not in report.longreprtext


ENTRY = f"""
[[allow]]
test = "{TEST}"
pattern = "no kubelet"
tracker = "{TRACKER}"
expires = 2026-12-31
"""


def allowing(tmp_path: Path, today: date = date(2026, 12, 31)) -> Judge:
    found = judge(tmp_path, ENTRY)
    found.artifacts.today = today
    return found


def test_allowed_failure_is_skipped_with_its_tracker_and_shown_as_allowed(tmp_path: Path) -> None:
    report = red()

    allowing(tmp_path).sort(report, raised(ProductError("no kubelet\n  evidence: /kept")))
    notes.set_kind(report)

    assert report.skipped
    assert report.longrepr == ("test_it.py", 5, f"allowed by {TRACKER}: no kubelet")
    note = note_of(report)
    assert note is not None
    assert note.allowed_by == TRACKER
    assert note.message == "no kubelet\n  evidence: /kept"
    assert status(report, MARKER) == ("allowed", "a", ("ALLOWED", {"yellow": True}))


@pytest.mark.parametrize(
    ("error", "today"),
    [
        (RigError("no kubelet binary on this host"), date(2026, 1, 1)),
        (ProductError("no CRI"), date(2026, 1, 1)),
        (ProductError("no kubelet"), date(2027, 1, 1)),
    ],
    ids=["rig", "another-message", "expired"],
)
def test_what_is_not_allowed_stays_red(tmp_path: Path, error: HarnessError, today: date) -> None:
    report = red()

    allowing(tmp_path, today).sort(report, raised(error))

    assert report.failed
    assert status(report, MARKER) is None


def test_pass_at_a_later_attempt_is_shown_as_flaky() -> None:
    assert status(make_report(rerun=1), MARKER) == ("flaky", "f", ("FLAKY", {"yellow": True}))


@pytest.mark.parametrize(
    "report",
    [
        make_report(), make_report("setup", rerun=1), make_report(outcome="failed", rerun=1),
        make_report("setup", "skipped", ("t.py", 1, "no KVM")),
    ],
    ids=["first-attempt", "setup", "failed", "skipped"],
)  # fmt: skip
def test_other_reports_are_shown_as_pytest_does(report: pytest.TestReport) -> None:
    assert status(report, MARKER) is None


def test_reruns_of_tests_without_machines_are_none_of_ours() -> None:
    report = make_report(rerun=1)
    report.keywords = {}

    assert status(report, MARKER) is None


class Item(SimpleNamespace):
    """Has what a test item has for properties."""


def item(*properties: tuple[str, str]) -> pytest.Item:
    return Item(user_properties=list(properties))  # type: ignore[return-value]


def test_blame_and_rule_are_properties_of_the_test() -> None:
    seen = Sighting(
        rule="kernel-panic", weight=Weight.FATAL, blame=Blame.PRODUCT, phase="kernel", at_s=1.0,
        cause="", advice="", source="",
    )  # fmt: skip
    test, report = item(), red()

    add_properties(test, report, Blame.PRODUCT, ProductError("panic", sighting=seen))

    expected = [("class", "product"), ("rule", "kernel-panic"), ("phase", "kernel")]
    assert test.user_properties == expected
    assert report.user_properties == [("scenario", "fake"), *expected]


def test_attempt_does_not_inherit_the_properties_of_the_one_before() -> None:
    test = item(("scenario", "fake"), ("class", "product"), ("bootimage", "old"), ("users", "own"))

    set_properties(test, {"scenario": "fake", "bootimage": "new"})

    assert test.user_properties == [("users", "own"), ("scenario", "fake"), ("bootimage", "new")]
