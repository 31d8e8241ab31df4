"""The guest's events, as text."""

from __future__ import annotations

from harness.node.events import State, durations_s, failure, is_done, parse

GOOD = """\
stage=pull state=started uptime=36.90 detail=
stage=pull state=progress uptime=41.20 detail=Target node image is 10.0.2.2:5000/node@sha256:abc
stage=pull state=done uptime=133.80 detail=
stage=overlay state=started uptime=133.90 detail=
stage=overlay state=done uptime=140.30 detail=
stage=finish state=done uptime=140.50 detail=
stage=multi-user state=done uptime=155.10 detail=
"""
BAD = """\
stage=pull state=started uptime=36.90 detail=
stage=pull state=log uptime=60.00 detail=error: connection refused
stage=pull state=log uptime=60.00 detail=gave up pulling x after 3 tries
stage=pull state=failed uptime=60.10 detail=node-image-pull.service failed, result exit-code
stage=overlay state=failed uptime=60.20 detail=later
"""


def test_events_keep_stage_state_time_and_the_rest_of_the_line() -> None:
    event = parse(GOOD)[1]

    assert (event.stage, event.state, event.uptime_s) == ("pull", State.PROGRESS, 41.2)
    assert event.detail == "Target node image is 10.0.2.2:5000/node@sha256:abc"


def test_a_line_still_being_written_waits_for_its_end() -> None:
    cut = GOOD.rstrip("\n")

    assert len(parse(cut)) == len(parse(GOOD)) - 1


def test_anything_else_on_the_port_is_passed_over() -> None:
    noise = "hello\nstage=pull state=dancing uptime=1.0 detail=\nstage=pull state=done\n\x00\n"

    assert parse(noise + GOOD) == parse(GOOD)


def test_control_characters_of_the_guest_do_not_reach_a_terminal() -> None:
    (event,) = parse("stage=pull state=progress uptime=1.00 detail=\x1b[31mred\x07\n")

    assert event.detail == "[31mred"


def test_a_stage_is_done_when_it_says_so() -> None:
    events = parse(GOOD)

    assert is_done(events, "multi-user")
    assert not is_done(events[:-1], "multi-user")
    assert failure(events) is None


def test_first_failure_counts_and_carries_its_journal() -> None:
    first = failure(parse(BAD))

    assert first is not None
    assert (first.stage, first.is_own) == ("pull", False)
    assert first.log == ("error: connection refused", "gave up pulling x after 3 tries")
    assert first.detail.startswith("node-image-pull.service failed")


def test_failure_of_the_snapshot_is_the_harness_own() -> None:
    own = failure(parse("stage=harness-before state=failed uptime=1.00 detail=x\n"))

    assert own is not None
    assert own.is_own


def test_durations_begin_at_the_start_or_at_the_end_of_the_stage_before() -> None:
    took = {stage: round(seconds, 1) for stage, seconds in durations_s(parse(GOOD))}

    assert took == {"pull": 96.9, "overlay": 6.4, "finish": 0.2, "multi-user": 14.6}
