from __future__ import annotations

import datetime
import re
import sys
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial

import msgspec
import pytest
from diagnosis_samples import TODAY, Judge, engine, good_journal, line, recorded

from harness.diagnosis import rules
from harness.diagnosis.allow import AllowEntry, AllowList
from harness.diagnosis.line import Job, Line, Stream
from harness.diagnosis.rules import Rule
from harness.model.record import Blame, Weight

RULE = """
[[rule]]
name = "{name}"
text = '{pattern}'
blame = "product"
weight = "fatal"
cause = "there was {what}"
advice = "look"
source = "here"
"""
REFUSED = (
    "node-image-pull[node-image-pull.service]: dial tcp 10.0.2.2:1: connect: connection refused"
)


def a_rule(name: str = "one", pattern: str = "odd (?P<what>.+)", more: str = "") -> Rule:
    text = RULE.replace("{name}", name).replace("{pattern}", pattern)
    if "?P<what>" not in pattern:
        text = text.replace("{what}", "it")
    return rules.parse(text + more, "rules x")[0]


def console(text: str, at_s: float = 10.0) -> Line:
    return line(Stream.CONSOLE, text, at_s)


def journal(text: str, at_s: float = 10.0) -> Line:
    return line(Stream.JOURNAL, text, at_s)


def cause(judge: Judge) -> str:
    seen = judge.fatal(10_000.0)
    return seen.cause if seen else "nothing"


def only(*some: Rule) -> Judge:
    return engine(only=some)


def test_fatal_line_becomes_a_sighting_with_cause_phase_and_line() -> None:
    judge = engine()

    judge.hear(console("[    2.391204] Kernel panic - not syncing: no root.", 12.34), "kernel")

    seen = judge.fatal(12.5)
    assert seen is not None
    assert (seen.rule, seen.weight, seen.blame) == ("kernel-panic", Weight.FATAL, Blame.PRODUCT)
    assert seen.cause == "the kernel panicked: no root"
    assert (seen.phase, seen.at_s, seen.count) == ("kernel", 12.3, 1)
    assert [one.text for one in seen.lines] == ["Kernel panic - not syncing: no root."]


def test_recorded_failures_end_in_their_cause() -> None:
    refused, users = engine(factor=4.0), engine(factor=4.0)

    for one in recorded("noreg", "console", "journal", "events"):
        refused.hear(one, "overlay-pull")
    for one in recorded("badign", "console", "ignition"):
        users.hear(one, "ignition-files")

    assert cause(refused) == "nothing listens at the registry's address 10.0.2.2:1"
    assert cause(users) == (
        "Ignition could not create the users: failed to create users/groups: failed to configure "
        """users: failed to create user "zed": exit status 6; """
        "useradd: group 'nosuchgroup' does not exist"
    )


def test_nothing_is_fatal_while_nothing_was_seen() -> None:
    judge = engine()

    judge.hear(console("[    2.391204] random: crng init done"), "kernel")

    assert judge.fatal(100.0) is None
    assert judge.sightings == ()


def test_line_belongs_to_the_first_rule_that_fits() -> None:
    judge = only(a_rule("special", "odd thing"), a_rule("general", "odd"))

    judge.hear(console("odd thing"), "services")
    judge.hear(console("odd other"), "services")

    assert [(one.rule, one.count) for one in judge.sightings] == [("special", 1), ("general", 1)]


def test_unit_that_fails_on_console_and_journal_is_one_sighting() -> None:
    judge = engine()

    judge.hear(console("See 'systemctl status boot.mount' for details."), "services")
    judge.hear(
        journal("systemd[boot.mount]: boot.mount: Failed with result 'exit-code'."), "services"
    )
    judge.hear(
        journal("systemd[my.service]: my.service: Failed with result 'exit-code'."), "services"
    )

    assert [(one.cause, one.count) for one in judge.warnings] == [
        ("boot.mount failed", 1), ("my.service failed", 1),
    ]  # fmt: skip


def test_line_that_two_streams_report_is_quoted_once() -> None:
    judge = engine()

    judge.hear(console("[    2.391204] Kernel panic - not syncing: x", 2.5), "kernel")
    judge.hear(journal("kernel: Kernel panic - not syncing: x", 2.4), "kernel")

    (seen,) = judge.sightings
    assert [one.stream for one in seen.lines] == ["console"]
    assert seen.count == 1


def test_name_that_the_console_shortens_is_the_one_of_the_journal() -> None:
    judge = engine()

    judge.hear(console("[DEPEND] Dependency failed for init…arget - Initrd Default Target."), "x")
    judge.hear(
        journal("systemd: Dependency failed for initrd.target - Initrd Default Target."), "x"
    )

    assert [one.count for one in judge.warnings] == [1]


def test_streams_that_report_the_same_loop_are_not_added_up() -> None:
    judge = engine()

    for second in range(29):
        judge.hear(journal(REFUSED, 10.0 + second), "overlay-pull")
        judge.hear(console(f"[   83.936969] {REFUSED}".replace("[node-image-pull.service]", "[4]"),
                           10.0 + second), "overlay-pull")  # fmt: skip
    before = judge.fatal(40.0)
    judge.hear(journal(REFUSED, 41.0), "overlay-pull")

    assert before is None
    assert [(one.rule, one.count) for one in judge.sightings] == [("pull-refused", 30)]
    assert judge.fatal(41.0) is not None


def test_loop_warns_until_it_is_fatal() -> None:
    judge = engine()

    judge.hear(journal(REFUSED), "overlay-pull")
    first = judge.warnings
    for _ in range(29):
        judge.hear(journal(REFUSED), "overlay-pull")

    assert [one.rule for one in first] == ["pull-refused"]
    assert judge.warnings == ()
    seen = judge.fatal(10.0)
    assert seen is not None
    assert (seen.rule, seen.blame, seen.count) == ("pull-refused", Blame.RIG, 30)


@pytest.mark.parametrize(
    ("unit", "counter", "weight"),
    [
        ("kubelet.service", 3, Weight.FATAL),
        ("crio.service", 2, Weight.WARNING),
        ("chronyd.service", 7, Weight.WARNING),
        ("systemd-journald.service", 1, None),
    ],
)
def test_restarts_are_counted_by_systemd(unit: str, counter: int, weight: Weight | None) -> None:
    judge = engine()
    text = f"{unit}: Scheduled restart job, restart counter is at {counter}."

    judge.hear(journal(f"systemd[{unit}]: {text}"), "kubelet")
    judge.hear(console(f"[  241.361000] systemd[1]: {text}"), "kubelet")

    assert [(one.weight, one.count) for one in judge.sightings] == (
        [(weight, counter)] if weight else []
    )


def test_window_forgets_what_was_long_ago() -> None:
    judge = only(a_rule(pattern="odd", more="at_least = 3\nwithin_s = 10"))

    for at_s in (0.0, 8.0, 16.0):
        judge.hear(console("odd", at_s), "kernel")
    slow = judge.fatal(16.0)
    judge.hear(console("odd", 17.0), "kernel")

    assert slow is None
    assert judge.fatal(17.0) is not None


def test_window_is_longer_for_a_slow_guest() -> None:
    judge = engine(only=(a_rule(pattern="odd", more="at_least = 3\nwithin_s = 10"),), factor=4.0)

    for at_s in (0.0, 16.0, 32.0):
        judge.hear(console("odd", at_s), "kernel")

    assert judge.fatal(32.0) is not None


def test_window_that_does_not_stretch_is_the_same_for_a_slow_guest() -> None:
    scattered, dense = engine(factor=4.0), engine(factor=4.0)
    text = "[  764.649502] watchdog: BUG: soft lockup - CPU#0 stuck for 79s! [systemd:1]"

    for number in range(10):
        scattered.hear(console(text, 10.0 + 14 * number), "services")
        dense.hear(console(text, 10.0 + 13 * number), "services")

    assert scattered.fatal(200.0) is None
    assert dense.fatal(200.0) is not None


@pytest.mark.parametrize("text", [
    "reading manifest sha256:25ec in 10.0.2.2:3/node: manifest unknown: manifest unknown",
    "reading manifest sha256:25ec in 10.0.2.2:3/node: unauthorized: authentication required",
    'Get "https://10.0.2.2:3/v2/": dial tcp: lookup registry.invalid: no such host',
])  # fmt: skip
def test_first_failed_pull_ends_nothing_but_explains_a_stage_that_failed(text: str) -> None:
    judge = engine()

    judge.hear(journal(f"node-image-pull[node-image-pull.service]: error: {text}", 90.0), "x")
    alone = judge.fatal(95.0)
    judge.hear(line(Stream.EVENTS, "pull failed: node-image-pull.service failed", 96.0), "x")

    assert alone is None
    assert judge.fatal(97.0) is None
    seen = judge.fatal(97.5)
    assert seen is not None
    assert seen.rule in ("pull-not-found", "pull-denied", "pull-dns")


def test_consequence_waits_for_its_cause() -> None:
    judge = engine()

    judge.hear(console("[  OK  ] Started emergency.service - Emergency Shell.", 20.0), "initramfs")
    at_once = judge.fatal(20.1)
    judge.hear(line(Stream.IGNITION, "ignition: Ignition failed: config is not valid", 20.3), "x")

    assert at_once is None
    seen = judge.fatal(20.5)
    assert seen is not None
    assert seen.rule == "ignition-config-invalid"


def test_consequence_is_reported_when_no_cause_comes() -> None:
    judge = engine()

    judge.hear(console("Press Enter for maintenance", 20.0), "initramfs")

    assert judge.fatal(21.9) is None
    seen = judge.fatal(22.0)
    assert seen is not None
    assert seen.rule == "emergency-shell"


def test_grace_counts_from_when_a_late_line_arrived() -> None:
    judge = engine()
    judge.tick(30.0, 29.0, "initramfs")

    judge.hear(journal("systemd: Reached target emergency.target - Emergency Mode.", 20.0), "x")

    assert judge.fatal(30.5) is None
    assert judge.fatal(35.0) is not None


def test_config_that_ignition_prints_is_no_context_for_its_failure() -> None:
    judge = engine()

    judge.hear(console("[   24.000000] ignition[306]: op(3): [failed]   writing file", 24.0), "x")
    for printed in ('  "path": "/etc/greeting"', "  }", "]", "}"):
        judge.hear(console(f"[   24.100000] ignition[306]: {printed}", 24.1), "x")
    judge.hear(console("[   24.200000] ignition[306]: CRITICAL : Ignition failed: no", 24.2), "x")

    seen = judge.fatal(30.0)
    assert seen is not None
    assert [line.text.split(": ", 1)[1] for line in seen.lines] == [
        "op(3): [failed]   writing file", "CRITICAL : Ignition failed: no",
    ]  # fmt: skip


def test_of_equal_rank_the_first_is_reported() -> None:
    judge = engine()

    judge.hear(console("[   55.313370] sd 0:0:0:0: rejecting I/O to offline device", 55.0), "x")
    judge.hear(console("[   56.313370] Oops: 0000 [#1] PREEMPT SMP", 56.0), "x")

    seen = judge.fatal(57.0)
    assert seen is not None
    assert seen.rule == "disk-offline"


def test_loop_below_its_count_explains_what_it_led_to() -> None:
    judge = engine()

    judge.hear(journal(REFUSED, 90.0), "overlay-pull")
    failed = (
        "systemd[node-image-pull.service]: node-image-pull.service: Failed with result 'timeout'."
    )
    judge.hear(journal(failed, 91.0), "overlay-pull")
    early = judge.fatal(91.5)

    assert early is None
    seen = judge.fatal(94.0)
    assert seen is not None
    assert (seen.rule, seen.weight, seen.count) == ("pull-refused", Weight.FATAL, 1)


def test_rule_of_a_phase_is_silent_in_others() -> None:
    text = "[ TIME ] Timed out waiting for device dev-vdb.device - /dev/vdb."
    early, late = engine(), engine()

    early.hear(console(text), "ignition-disks")
    late.hear(console(text), "services")

    assert [one.rule for one in early.sightings] == ["initramfs-device-timeout"]
    assert [one.rule for one in late.sightings] == ["device-timeout"]


def test_full_disk_is_fatal_only_while_live_apply_goes_on() -> None:
    text = "journald[systemd-journald.service]: Failed to write entry: No space left on device"
    during, after = engine(), engine()

    during.hear(journal(text), "overlay-checkout")
    after.hear(journal(text), "kubelet")

    assert during.fatal(10.0) is not None
    assert [one.rule for one in after.warnings] == ["disk-full"]


def test_time_in_a_line_is_held_against_a_slow_guest() -> None:
    text = "[***   ] Job ignition-files.service/start running (1min 40s / no limit)"
    quick, slow = engine(factor=1.0), engine(factor=4.0)

    quick.hear(console(text), "ignition-files")
    slow.hear(console(text), "ignition-files")

    assert [one.rule for one in quick.warnings] == ["job-stalls"]
    assert slow.warnings == ()


def test_silence_ends_a_boot() -> None:
    judge = engine(factor=2.0)

    judge.tick(239.0, 0.0, "initramfs")
    before = judge.fatal(239.0)
    judge.tick(241.0, 0.0, "initramfs")
    judge.tick(242.0, 0.0, "initramfs")

    assert before is None
    seen = judge.fatal(242.0)
    assert seen is not None
    assert seen.cause == "the guest has written nothing for 241 s"
    assert [(one.stream, one.text) for one in seen.lines] == [
        ("harness", "no byte on any stream for 241 s")
    ]
    assert seen.count == 1, "one silence, however often it is looked at"


def test_kernel_that_stops_is_reported_before_the_wait_for_a_login_ends() -> None:
    judge = engine(factor=4.0)

    judge.tick(239.0, 0.0, "kernel")
    before = judge.fatal(239.0)
    judge.tick(241.0, 0.0, "kernel")

    assert before is None
    seen = judge.fatal(241.0)
    assert seen is not None
    assert seen.rule == "kernel-silence"
    assert "one boot of sixty" in seen.advice


def test_silence_of_a_node_that_is_up_means_nothing() -> None:
    judge = engine()

    judge.tick(1000.0, 10.0, "multi-user")

    assert judge.sightings == ()


def test_words_of_a_command_that_sudo_logs_are_no_sign() -> None:
    judge = engine()

    judge.hear(journal("sudo: core : COMMAND=/usr/bin/grep 'Kernel panic - not syncing: x'"), "x")

    assert judge.sightings == ()


def test_message_is_known_whatever_is_wrapped_around_it() -> None:
    said = "Ignition failed: config is not valid"
    wrapped = (
        console(f"[   13.113911] ignition[615]: CRITICAL : {said}"),
        console(f"Nov 23 13:50:02 localhost ignition[615]: CRITICAL : {said}"),
        journal(f"ignition[ignition-fetch.service]: CRITICAL : {said}"),
        line(Stream.IGNITION, f"ignition: {said}"),
    )
    judges = [engine() for _ in wrapped]

    for judge, one in zip(judges, wrapped, strict=True):
        judge.hear(one, "ignition-fetch")

    assert {judge.sightings[0].rule for judge in judges} == {"ignition-config-invalid"}


def test_fatal_sighting_shows_what_was_said_before_by_the_same_voice() -> None:
    judge = engine()
    for number in range(6):
        judge.hear(journal(f"node-image-pull[node-image-pull.service]: step {number}"), "x")
        judge.hear(journal("NetworkManager[NetworkManager.service]: <info> noise"), "x")

    judge.hear(
        journal("node-image-pull[node-image-pull.service]: x509: certificate is not for us"), "x"
    )

    (seen,) = judge.sightings
    assert [one.text for one in seen.lines] == [
        *(f"node-image-pull: step {number}" for number in (2, 3, 4, 5)),
        "node-image-pull: x509: certificate is not for us",
    ]


def test_panic_on_a_console_shows_what_the_kernel_said_before() -> None:
    judge = engine()
    judge.hear(console("[    2.300000] VFS: Cannot open root device"), "kernel")
    judge.hear(console("[    2.310000] dracut-cmdline[201]: something else"), "kernel")
    judge.hear(console("plain text of somebody"), "kernel")

    judge.hear(console("[    2.391204] Kernel panic - not syncing: y"), "kernel")

    (seen,) = judge.sightings
    assert [one.text for one in seen.lines] == [
        "VFS: Cannot open root device", "Kernel panic - not syncing: y",
    ]  # fmt: skip


def test_plain_text_on_a_console_shows_whatever_was_said_before() -> None:
    judge = engine()
    judge.hear(console("[    2.310000] dracut-cmdline[201]: no root"), "initramfs")

    judge.hear(console("Press Enter for maintenance"), "initramfs")

    (seen,) = judge.sightings
    assert [one.text for one in seen.lines] == [
        "dracut-cmdline: no root", "Press Enter for maintenance",
    ]  # fmt: skip


def test_unit_that_fails_shows_its_own_last_words() -> None:
    judge = engine()
    judge.hear(journal("node-image-overlay[node-image-overlay.service]: rsync: broken"), "x")
    judge.hear(journal("systemd[chronyd.service]: something of another unit"), "x")

    failed = "node-image-overlay.service: Failed with result 'exit-code'."
    judge.hear(journal(f"systemd[node-image-overlay.service]: {failed}"), "x")

    (seen,) = judge.sightings
    assert [one.text for one in seen.lines] == [
        "node-image-overlay: rsync: broken", f"systemd: {failed}",
    ]  # fmt: skip


def test_context_leaves_out_jobs_that_go_well() -> None:
    judge = engine()
    judge.hear(console("[    1.200000] weird thing"), "initramfs")
    judge.hear(console("[  OK  ] Reached target paths.target - Path Units."), "initramfs")
    judge.hear(replace(console("Stopping x.service - X..."), job=Job.STOPPING), "initramfs")
    judge.hear(console("[***   ] Job x.service/start running (2s / no limit)"), "initramfs")

    judge.hear(console("[    2.391204] Kernel panic - not syncing: y"), "initramfs")

    (seen,) = judge.sightings
    assert [one.text for one in seen.lines] == [
        "weird thing",
        "Kernel panic - not syncing: y",
    ]


def test_warning_shows_only_its_own_lines_and_few_of_them() -> None:
    judge = engine()
    judge.hear(journal("kernel: something before"), "x")

    for number in range(9):
        judge.hear(journal(f"kernel: chronyd[{number}]: Core dump to pipe failed"), "x")

    (seen,) = judge.warnings
    assert (seen.count, len(seen.lines)) == (9, 5)
    assert "something before" not in {one.text for one in seen.lines}


def test_line_that_makes_a_loop_fatal_is_among_those_shown() -> None:
    judge = only(a_rule(pattern="odd", more="at_least = 8"))

    for number in range(1, 12):
        judge.hear(console(f"odd {number}", float(number)), "x")

    (seen,) = judge.sightings
    assert [one.text for one in seen.lines] == ["odd 1", "odd 2", "odd 3", "odd 4", "odd 8"]


def test_text_of_a_guest_stays_one_line_of_decent_length_in_the_cause() -> None:
    judge = only(a_rule())

    text = "odd a\tb\x07" + "c" * 500 + ": {unit} is the cause."
    judge.hear(replace(console("x"), text=text), "x")

    (seen,) = judge.sightings
    assert seen.cause.startswith("there was a b ccc")
    assert seen.cause.endswith("ccc: {unit} is the cause")
    assert 190 < len(seen.cause) <= 210


def test_group_that_took_no_part_leaves_no_colon() -> None:
    judge = engine()

    judge.hear(console("[    6.442699] dracut: Refusing to continue"), "initramfs")

    assert [one.cause for one in judge.sightings] == ["dracut refuses to continue"]


def test_problems_without_end_are_gathered() -> None:
    judge = engine()

    for number in range(220):
        judge.hear(journal(f"systemd: unit{number}.service: Failed with result 'exit-code'."), "x")

    assert len(judge.sightings) == 200
    assert sum(one.count for one in judge.sightings) == 220


def allowed(pattern: str, **more: str) -> AllowList:
    given = {
        "pattern": pattern, "tracker": "https://issues.example/1", "expires": "2026-12-31", **more,
    }  # fmt: skip
    entry = msgspec.convert(given, AllowEntry, dec_hook=lambda _, text: re.compile(text))
    return AllowList(entries=(entry,))


def test_fatal_line_that_is_allowed_is_shown_and_ends_nothing() -> None:
    judge = engine(allow=allowed("Kernel panic", rule="kernel-panic"))

    judge.hear(console("[    2.391204] Kernel panic - not syncing: x"), "kernel")

    (seen,) = judge.sightings
    assert (seen.weight, seen.allowed_by) == (Weight.ALLOWED, "https://issues.example/1")
    assert judge.fatal(100.0) is None
    assert judge.warnings == ()


def test_allowed_line_does_not_cover_another_of_the_same_rule() -> None:
    judge = engine(allow=allowed('comm="chronyd"'))
    denial = 'audit: AVC avc:  denied  {{ read }} for  pid=1 comm="{}" tclass=file'

    judge.hear(journal(denial.format("chronyd")), "x")
    judge.hear(journal(denial.format("crio")), "x")

    assert [one.weight for one in judge.sightings] == [Weight.ALLOWED, Weight.WARNING]
    assert judge.warnings[0].cause == "SELinux denied crio the permission read on a file"


def test_problem_that_is_not_allowed_ends_the_boot_after_one_that_is() -> None:
    judge = engine(allow=allowed("sysrq"))

    judge.hear(
        console("[    2.391204] Kernel panic - not syncing: sysrq triggered crash"), "kernel"
    )
    first = judge.fatal(11.0)
    judge.hear(console("[    9.391204] Kernel panic - not syncing: no init"), "kernel")

    assert first is None
    seen = judge.fatal(11.0)
    assert seen is not None
    assert seen.cause == "the kernel panicked: no init"


@pytest.mark.parametrize(
    ("rule", "arch", "today"),
    [
        ("kernel-oops", None, TODAY),
        (None, "aarch64", TODAY),
        (None, None, datetime.date(2027, 1, 1)),
    ],
)
def test_entry_that_does_not_count_allows_nothing(
    rule: str | None, arch: str | None, today: datetime.date
) -> None:
    narrow = {name: value for name, value in (("rule", rule), ("arch", arch)) if value}
    judge = engine(allow=allowed("Kernel panic", **narrow), today=today)

    judge.hear(console("[    2.391204] Kernel panic - not syncing: x"), "kernel")

    assert judge.fatal(100.0) is not None


def calls_of(work: Callable[[], None]) -> int:
    """Count the functions that `work` calls, those of C as well: what it costs on any machine."""
    events: list[str] = []
    before = sys.getprofile()
    sys.setprofile(lambda _frame, event, _argument: events.append(event))
    try:
        work()
    finally:
        sys.setprofile(before)
    return events.count("call") + events.count("c_call")


def test_a_line_costs_little_however_many_came_before() -> None:
    lines = list(good_journal())
    judge = engine()

    def hear(some: Iterable[Line]) -> None:
        for one in some:
            judge.hear(one, "services")

    hear(lines[1::10])  # what the first lines of a run prepare for all others
    costs = [calls_of(partial(hear, lines[start::20])) for start in (5, 15)]

    assert max(costs) / (len(lines) / 20) < 200
    assert costs[1] < 1.2 * costs[0]
