"""Which phases a machine's lines show, and when."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from diagnosis_replay import INDEX, KERNEL_S, Replay, console, events, journal, transcript

from harness.diagnosis import phase_table
from harness.diagnosis.line import Job, Line, Stream
from harness.diagnosis.phases import Tracker
from harness.model.errors import InputError
from harness.model.record import PhaseRecord

OPENED_S = 73.0  # when the recorded guest opened the journal's port, by its own clock


def times(records: tuple[PhaseRecord, ...]) -> dict[str, tuple[float, float | None]]:
    """Return begin and end of each phase by the guest's clock, to a tenth."""
    return {
        r.name: (
            round(r.begin_s - KERNEL_S, 1),
            None if r.end_s is None else round(r.end_s - KERNEL_S, 1),
        )
        for r in records
    }


def say(text: str, at_s: float, boot: int = 1) -> Line:
    return Line(stream=Stream.CONSOLE, text=text, at_s=at_s, boot=boot)


def job(unit: str, what: Job, at_s: float) -> Line:
    return Line(stream=Stream.JOURNAL, text=f"{what} {unit}", at_s=at_s, unit=unit, job=what)


def event(text: str, at_s: float, boot: int = 1) -> Line:
    return Line(stream=Stream.EVENTS, text=text, at_s=at_s, boot=boot)


def feed(tracker: Tracker, *lines: Line) -> list[str]:
    """Feed lines; return what the tracker reports."""
    reported = [record for line in lines for record in tracker.feed(line, INDEX.hits(line))]
    states = [
        "failed" if r.is_failed else "begins" if r.end_s is None else "ends" for r in reported
    ]
    return [f"{record.name} {state}" for record, state in zip(reported, states, strict=True)]


def test_machine_begins_in_its_firmware() -> None:
    current = Tracker.load().current

    assert (current.name, current.begin_s, current.end_s, current.boot) == (
        "firmware",
        0.0,
        None,
        1,
    )


def test_good_run_by_its_console() -> None:
    replay = Replay().play(console=console("good"))

    seen = times(replay.tracker.records)
    assert seen["firmware"] == (-KERNEL_S, 0.0)
    assert seen["kernel"] == (0.0, 4.8)
    assert seen["initramfs"][0] == 4.8
    assert seen["services"] == (46.0, None)
    assert seen["overlay-pull"] == (82.0, 178.2)
    assert seen["overlay-checkout"] == (178.2, 192.0)
    assert seen["overlay-apply"] == (192.0, 192.7)
    assert {"ignition-fetch-offline", "ignition-files", "switch-root"} <= seen.keys()
    assert "ignition-fetch" not in seen


def test_good_run_by_its_journal() -> None:
    replay = Replay().play(journal=journal("good", OPENED_S))

    seen = times(replay.tracker.records)
    assert seen == {
        "firmware": (-KERNEL_S, 0.0), "kernel": (0.0, 4.8), "initramfs": (4.8, 44.7),
        "ignition-fetch-offline": (23.5, 31.8), "ignition-disks": (32.3, 32.8),
        "ignition-files": (35.5, 41.0), "switch-root": (44.7, 46.0), "services": (46.0, 208.4),
        "overlay-pull": (75.6, 178.2), "overlay-checkout": (178.2, 185.6),
        "overlay-apply": (185.7, 192.6), "runtime": (193.5, 195.7), "kubelet": (195.8, 208.4),
        "multi-user": (208.4, None),
    }  # fmt: skip


def test_late_journal_corrects_what_the_console_showed() -> None:
    replay = Replay().play(console=console("good"), journal=journal("good", OPENED_S))

    seen = times(replay.tracker.records)
    assert seen["ignition-files"][1] == 41.0
    assert seen["initramfs"][1] == seen["switch-root"][0]
    assert seen["overlay-checkout"][1] == 185.6
    assert seen["kubelet"] == (195.8, 208.4)


def test_each_phase_is_reported_once_as_it_begins_and_ends() -> None:
    replay = Replay().play(
        console=console("good"), journal=journal("good", OPENED_S), events=events("good")
    )

    reported = [(r.name, r.end_s is None) for r in replay.reported]
    assert len(reported) == len(set(reported))
    assert [name for name, begins in reported if begins][:3] == [
        "kernel", "initramfs", "ignition-fetch-offline"
    ]  # fmt: skip
    assert reported[-2:] == [("services", False), ("multi-user", True)]


def test_chain_is_without_gaps() -> None:
    replay = Replay().play(console=console("good"), journal=journal("good", OPENED_S))

    chain = [r for r in replay.tracker.records if r.depth == 0]
    assert [r.end_s for r in chain[:-1]] == [r.begin_s for r in chain[1:]]


def test_failed_stage_of_ignition_is_the_current_phase() -> None:
    replay = Replay().play(
        console=console("badign"),
        ignition=iter([(KERNEL_S + 30.0, transcript("badign-ignition.json"))]),
    )

    current = replay.tracker.current
    assert (current.name, current.title, current.is_failed) == (
        "ignition-files", "Ignition: files", True
    )  # fmt: skip
    assert replay.reported[-1] == current


@pytest.mark.parametrize("by", ["console", "journal", "events"])
def test_pull_that_gives_up_fails_by_any_stream(by: str) -> None:
    streams = {
        "console": console("noreg"), "journal": journal("noreg", 59.0), "events": events("noreg")
    }  # fmt: skip

    replay = Replay().play(**{by: streams[by]})

    current = replay.tracker.current
    assert (current.name, current.is_failed) == ("overlay-pull", True)
    assert current.end_s == pytest.approx(KERNEL_S + 99.4, abs=1.0)
    assert "overlay-apply" not in times(replay.tracker.records)


def test_installers_own_units_report_the_overlay() -> None:
    tracker = Tracker.load()

    reported = feed(
        tracker,
        job("node-image-pull.service", Job.STARTING, 50.0),
        say("Pulling quay.example/node@sha256:1", 51.0),
        say("Checking out node image content", 90.0),
        job("node-image-pull.service", Job.STARTED, 99.0),
        say("Overlaying node image content", 100.0),
        say("Node image overlay complete; switching back to multi-user.target", 105.0),
    )

    assert reported == [
        "overlay-pull begins", "overlay-pull ends", "overlay-checkout begins",
        "overlay-checkout ends", "overlay-apply begins", "overlay-apply ends",
    ]  # fmt: skip


@pytest.mark.parametrize("unit", ["node-image-overlay.service", "node-image-pivot.service"])
def test_installers_with_other_texts_are_known_by_their_units(unit: str) -> None:
    tracker = Tracker.load()

    reported = feed(
        tracker,
        job("node-image-pull.service", Job.STARTING, 50.0),
        say("Here it comes", 51.0),
        job("node-image-pull.service", Job.STARTED, 99.0),
        job(unit, Job.STARTING, 100.0),
        job(unit, Job.STARTED, 105.0),
    )

    assert reported == [
        "overlay-pull begins", "overlay-pull ends", "overlay-apply begins", "overlay-apply ends",
    ]  # fmt: skip


def test_checkout_is_reported_by_the_guests_events_as_well() -> None:
    tracker = Tracker.load()
    timed = [
        (50.0, "pull started"), (51.0, "pull progress: received 1 MB"), (90.00, "pull done"),
        (90.02, "checkout started"), (90.1, "checkout progress: checking out; 3 changed paths"),
        (97.0, "checkout done"), (97.5, "overlay started"), (99.0, "overlay failed: x"),
    ]  # fmt: skip

    states = feed(tracker, *(Line(stream=Stream.EVENTS, text=text, at_s=s) for s, text in timed))

    assert states == [
        "overlay-pull begins", "overlay-pull ends", "overlay-checkout begins",
        "overlay-checkout ends", "overlay-apply begins", "overlay-apply failed",
    ]  # fmt: skip
    checkout = tracker.records[-2]
    assert (checkout.begin_s, checkout.end_s) == (90.02, 97.0)


def test_failure_in_the_checkout_is_none_of_the_pull() -> None:
    tracker = Tracker.load()
    feed(
        tracker,
        job("node-image-pull.service", Job.STARTING, 50.0),
        say("Checking out node image content", 90.0),
        job("node-image-pull.service", Job.FAILED, 95.0),
    )

    failed = [record.name for record in tracker.records if record.is_failed]
    assert failed == ["overlay-checkout"]


COREOS = """\
Booting `Red Hat Enterprise Linux CoreOS 9.6'

[    0.000000] Linux version 5.14.0-570.el9.x86_64
[    1.500000] systemd[1]: Running in initrd.
[    3.100000] systemd[1]: Starting Ignition (fetch-offline)...
[    3.200000] ignition[701]: Stage: fetch-offline
[    3.300000] systemd[1]: Finished Ignition (fetch-offline).
[    3.400000] systemd[1]: Starting Ignition (kargs)...
[    4.000000] reboot: Restarting system
[    4.010000] reboot: machine restart
SeaBIOS
Booting `Red Hat Enterprise Linux CoreOS 9.6'

[    0.000000] Linux version 5.14.0-570.el9.x86_64
[    1.500000] Run /init as init process
[    3.100000] systemd[1]: Starting Ignition (kargs)...
[    3.200000] ignition[711]: kargs: kargs passed
[    5.000000] systemd[1]: Starting Switch Root...
[    6.000000] systemd[1]: systemd 252 running in system mode (+PAM)
[   20.000000] systemd[1]: Reached target Multi-User System.
"""


def test_reboot_begins_the_chain_again() -> None:
    # As on CoreOS: descriptions without names, and arguments of the kernel that need a reboot.
    times = [1.0, 1.0, 8.0, 9.5, 11.1, 11.2, 11.3, 11.4, 12.0, 12.01, 13.0, 15.0, 15.0, 20.0,
               21.5, 23.1, 23.2, 25.0, 26.0, 40.0]  # fmt: skip
    pieces = zip(times, COREOS.splitlines(keepends=True), strict=True)

    tracker = Replay().play(console=pieces).tracker

    chain = [(r.boot, r.name, round(r.begin_s, 2)) for r in tracker.records if r.depth == 0]
    assert chain == [
        (1, "firmware", 0.0), (1, "boot-loader", 1.0), (1, "kernel", 8.0), (1, "initramfs", 9.5),
        (2, "firmware", 12.0), (2, "boot-loader", 15.0), (2, "kernel", 20.0),
        (2, "initramfs", 21.5), (2, "switch-root", 25.0), (2, "services", 26.0),
        (2, "multi-user", 40.0),
    ]  # fmt: skip
    nested = {(r.boot, r.name): r.end_s for r in tracker.records if r.depth == 1}
    assert nested == {
        (1, "ignition-fetch-offline"): pytest.approx(11.3),
        (1, "ignition-kargs"): 12.0,
        (2, "ignition-kargs"): pytest.approx(23.2),
    }
    assert (tracker.current.name, tracker.current.boot) == ("multi-user", 2)


def test_reset_without_a_word_ends_the_boot_at_the_next_banner() -> None:
    tracker = Tracker.load()
    feed(tracker, say("Running in initrd.", 10.0), job("kubelet.service", Job.STARTING, 50.0))

    feed(tracker, say("Linux version 5", 60.0, boot=2))

    ends = [(r.boot, r.name, r.end_s) for r in tracker.records]
    assert ends[-3:] == [(1, "initramfs", 60.0), (1, "kubelet", 60.0), (2, "kernel", None)]


def test_chain_does_not_go_back() -> None:
    tracker = Tracker.load()
    feed(tracker, say("Run /init as init process", 10.0))

    reported = feed(tracker, say("Linux version 5", 30.0), say("GRUB loading", 31.0))

    assert reported == []
    assert tracker.current.name == "initramfs"


def test_words_of_ignition_are_no_marks_of_others() -> None:
    line = say("Stage: files", 20.0)

    assert feed(Tracker.load(), replace(line, identifier="cat")) == []
    assert feed(Tracker.load(), replace(line, identifier="ignition")) == ["ignition-files begins"]


def test_words_of_the_initramfs_do_not_begin_the_services() -> None:
    tracker = Tracker.load()
    words = "systemd 252.39 running in system mode (+PAM)"

    early = feed(tracker, say("Run /init as init process", 10.0), say(words, 11.0))
    late = feed(tracker, say("Switching root.", 20.0), say(words, 21.0))
    stale = feed(tracker, say(words, 11.5))

    assert [text for text in early if "services" in text] == []
    assert late[-1] == "services begins"
    assert stale == []


def test_unit_that_is_restarted_is_lasting_again() -> None:
    tracker = Tracker.load()
    kubelet = "kubelet.service"

    reported = feed(
        tracker,
        job(kubelet, Job.STARTING, 100.0), job(kubelet, Job.FAILED, 101.0),
        job(kubelet, Job.STARTING, 111.0),
    )  # fmt: skip
    again = tracker.current
    more = feed(
        tracker,
        job(kubelet, Job.FAILED, 112.0), job(kubelet, Job.STARTING, 122.0),
        job(kubelet, Job.STARTED, 124.0), job(kubelet, Job.FAILED, 150.0),
    )  # fmt: skip

    assert reported == ["kubelet begins", "kubelet failed"]
    assert (again.name, again.begin_s, again.is_failed) == ("kubelet", 100.0, False)
    assert more == ["kubelet ends"]
    assert tracker.current.name == "firmware"


def test_stage_of_ignition_cannot_outlast_the_initramfs() -> None:
    tracker = Tracker.load()

    feed(
        tracker,
        say("Run /init as init process", 10.0),
        job("ignition-mount.service", Job.STARTING, 12.0),
        say("Switching root.", 20.0),
    )

    (mount,) = [record for record in tracker.records if record.name == "ignition-mount"]
    assert mount.end_s == 20.0
    assert tracker.current.name == "switch-root"


def test_failed_phase_is_current_until_another_begins() -> None:
    tracker = Tracker.load()
    feed(
        tracker,
        job("crio.service", Job.STARTING, 10.0), job("crio.service", Job.FAILED, 11.0),
    )  # fmt: skip
    failed = tracker.current.name

    feed(tracker, job("kubelet.service", Job.STARTING, 12.0))

    assert (failed, tracker.current.name) == ("runtime", "kubelet")


def test_end_that_seems_to_come_before_its_begin_is_no_negative_time() -> None:
    tracker = Tracker.load()

    feed(
        tracker,
        job("crio.service", Job.STARTED, 10.0), job("crio.service", Job.STARTING, 10.2),
    )  # fmt: skip

    (runtime,) = [record for record in tracker.records if record.name == "runtime"]
    assert (runtime.begin_s, runtime.end_s) == (10.2, 10.2)


def test_host_drives_phases_of_its_own() -> None:
    tracker = Tracker.load()

    begun = tracker.begin("ready-healthz", "healthz answers", 50.0)
    during = tracker.current
    reported = feed(tracker, say("Linux version 5", 51.0))
    ended = tracker.end("ready-healthz", 52.5)

    assert during == begun
    assert reported == ["firmware ends", "kernel begins"]
    assert ended is not None
    assert (ended.title, ended.begin_s, ended.end_s) == ("healthz answers", 50.0, 52.5)
    assert (ended.depth, ended.boot) == (1, 1)
    assert ended in tracker.records
    assert tracker.end("ready-healthz", 60.0) is None


def test_failure_ends_all_that_lasts_and_marks_the_innermost() -> None:
    tracker = Tracker.load()
    feed(tracker, say("Run /init as init process", 10.0), say("Switching root.", 20.0))
    tracker.begin("ssh", "first login", 21.0)

    failed = tracker.fail(30.0)

    assert (failed.name, failed.end_s, failed.is_failed) == ("ssh", 30.0, True)
    assert [r.name for r in tracker.records if r.is_failed] == ["ssh"]
    assert all(record.end_s is not None for record in tracker.records)
    assert feed(tracker, job("multi-user.target", Job.STARTED, 31.0)) == []
    assert feed(tracker, job("crio.service", Job.STARTING, 25.0)) == ["runtime begins"]
    assert (tracker.current, tracker.fail(40.0)) == (failed, failed)


def spans(tracker: Tracker) -> dict[str, tuple[float, float | None]]:
    return {record.name: (record.begin_s, record.end_s) for record in tracker.records}


def test_failure_takes_back_what_was_seen_after_it() -> None:
    tracker = Tracker.load()
    feed(tracker, job("crio.service", Job.STARTING, 10.0), job("crio.service", Job.STARTED, 40.0))
    before = spans(tracker)

    tracker.fail(30.0)

    assert (before["runtime"], spans(tracker)["runtime"]) == ((10.0, 40.0), (10.0, 30.0))


def test_line_that_shows_an_earlier_start_corrects_the_times_before() -> None:
    tracker = Tracker.load()
    feed(tracker, replace(say("Run /init as init process", 30.0), uptime_s=2.0))
    before = spans(tracker)

    feed(tracker, replace(say("nothing of note", 31.0), uptime_s=21.0))

    assert (before["initramfs"][0], spans(tracker)["initramfs"][0]) == (30.0, 12.0)


def test_what_goes_on_aside_is_recorded_and_never_where_the_machine_is() -> None:
    tracker = Tracker.load()
    feed(tracker, job("multi-user.target", Job.STARTED, 40.0))

    reported = feed(tracker, event("install started", 41.0))
    during = (tracker.current.name, tracker.phase_at(42.0))
    more = feed(tracker, event("install failed: no disk", 43.0))

    assert reported == ["install begins"]
    assert more == ["install failed"]
    assert during == ("multi-user", "multi-user")
    assert tracker.current.name == "multi-user"
    assert [r.name for r in tracker.records if r.is_failed] == ["install"]


def test_control_plane_is_not_there_when_its_unit_has_started() -> None:
    tracker = Tracker.load()

    feed(tracker, job("bootkube.service", Job.STARTED, 40.0))
    started = tracker.has_reached("control-plane", 1)
    feed(tracker, event("control-plane done", 90.0))

    assert (started, tracker.has_reached("control-plane", 1)) == (False, True)


def test_phase_that_the_next_boot_cut_off_was_not_reached() -> None:
    tracker = Tracker.load()
    feed(tracker, event("pivot started", 40.0), say("Linux version 5", 60.0, boot=2))

    (pivot,) = [record for record in tracker.records if record.name == "pivot"]

    assert (pivot.end_s, pivot.is_failed) == (60.0, False)
    assert not tracker.has_reached("pivot", 1)


def test_what_the_host_notes_is_recorded_and_never_where_the_machine_is() -> None:
    tracker = Tracker.load()
    feed(tracker, job("crio.service", Job.STARTING, 10.0), job("crio.service", Job.FAILED, 11.0))

    noted = PhaseRecord(name="login", title="", boot=1, depth=1, begin_s=0.0, end_s=30.0)
    tracker.note(noted)

    assert noted in tracker.records
    assert tracker.current.name == "runtime"


def test_journal_that_the_emergency_shell_shows_is_long_over() -> None:
    tracker = Tracker.load()
    quoted = "Nov 23 13:50:02 localhost ignition[615]: Stage: files"

    assert feed(tracker, say("Stage: files", 1.0), say(quoted, 20.0)) == []


def test_shipped_phases_are_those_that_reports_know() -> None:
    names = [phase.name for phase in Tracker.load().phases]

    assert names == [
        "firmware", "boot-loader", "kernel", "initramfs", "ignition-fetch-offline",
        "ignition-fetch", "ignition-kargs", "ignition-disks", "ignition-mount", "ignition-files",
        "switch-root", "services", "overlay-pull", "overlay-checkout", "overlay-apply", "pivot",
        "release-image", "control-plane", "in-place", "install", "agent", "runtime", "kubelet",
        "multi-user",
    ]  # fmt: skip


PHASE = '[[phase]]\nname = "a"\ntitle = "A"\ndepth = 0\n'
INNER = '[[phase]]\nname = "b"\ntitle = "B"\ndepth = 1\n'


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[[phase]", "not TOML: "),
        ("", "no phase with depth = 0"),
        ("phase = []", "no phase with depth = 0"),
        (PHASE + "titel = 'x'", "[[phase]] number 1 (a): Object contains unknown field `titel`"),
        ('[[phase]]\nname = "A b"\ntitle = "x"\ndepth = 0', "matching regex"),
        (PHASE.replace("0", "2"), "Invalid enum value 2"),
        (INNER + 'units = ["x.service"]', "no phase with depth = 0"),
        (PHASE + PHASE, "the name is used twice"),
        (PHASE + INNER, "[[phase]] number 2 (b): no mark for its start"),
        (PHASE + 'units = ["x.service"]', "(a): a phase with depth = 0 has only begin"),
        (PHASE + INNER + 'units = ["x.service"]\nwithin = "c"', "unknown phase 'c' in within"),
        (PHASE + 'begin = [{ unit = "x", event = "y z" }]', "event with a unit or program"),
        (PHASE + 'begin = [{ streams = ["journal"], event = "y z" }]', "event with streams"),
        (PHASE + "begin = [{}]", "begin: matches nothing"),
        (PHASE + 'begin = [{ unit = "x.service" }]', "has a unit without job or text"),
        (PHASE + 'begin = [{ described = "X", text = "x" }]', "has a unit without job or text"),
        (
            PHASE + 'begin = [{ described = "X", unit = "x", job = "started" }]',
            "Remove one of them",
        ),
        (PHASE + 'begin = [{ text = "x", job = "started" }]', "has job without a unit"),
        (PHASE + 'begin = [{ of = "nothing" }]', "unknown mark nothing in `of`"),
        (PHASE + 'begin = [{ unit = "x", job = "gone" }]', "Invalid enum value 'gone'"),
        (PHASE + 'begin = [{ text = "x", after = "y" }]', "'y' in after"),
        (
            PHASE + INNER + 'begin = [{ text = "x", after = "a" }]',
            "after and next_boot need depth = 0",
        ),
        (
            PHASE + 'begin = [{ text = "(" }]',
            "Not a regular expression: missing )",
        ),
    ],
)
def test_faults_of_a_table_are_reported_with_their_place(text: str, problem: str) -> None:
    with pytest.raises(InputError) as caught:
        phase_table.parse(text, "mine.toml")

    assert caught.value.subject.startswith("mine.toml")
    assert problem in str(caught.value)
    assert caught.value.remedy


def test_table_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.toml: cannot be read"):
        Tracker.load(tmp_path / "none.toml")


def test_shipped_marks_begin_where_lines_begin() -> None:
    texts = [mark.text.pattern for mark in Tracker.load().marks if mark.text]

    assert [text for text in texts if not text.startswith("^")] == []


def test_failure_is_of_the_phase_that_lasted_though_its_first_sign_was_earlier() -> None:
    tracker = Tracker.load()
    feed(tracker, say("Linux version 6", 5.0), say("Run /init as init process", 10.0))
    feed(tracker, say("Welcome to a system (Initramfs)", 10.0), say("Switching root", 60.0))

    failed = tracker.fail(30.0)

    assert tracker.current == failed
    assert failed.is_failed
    assert failed.end_s is not None
    assert failed.end_s >= failed.begin_s
    assert tracker.records


def test_unit_that_starts_without_end_keeps_its_first_and_last_begin() -> None:
    tracker = Tracker.load()
    feed(tracker, say("Linux version 6", 1.0), job("multi-user.target", Job.STARTED, 2.0))

    for second in range(10, 1010, 10):
        feed(tracker, job("kubelet.service", Job.STARTING, float(second)))
        feed(tracker, job("kubelet.service", Job.FAILED, second + 5.0))
    feed(tracker, job("kubelet.service", Job.STARTING, 2000.0))

    (kubelet,) = (record for record in tracker.records if record.name == "kubelet")
    assert kubelet.begin_s == 10.0
    assert kubelet.end_s is None
    assert not kubelet.is_failed
