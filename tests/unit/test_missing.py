from __future__ import annotations

import pytest
from diagnosis_missing import console, event, journal, laid
from diagnosis_replay import INDEX

from harness import folders
from harness.diagnosis.line import Job, Line, Stream
from harness.diagnosis.missing import OVERLAY, Detector
from harness.diagnosis.phases import Tracker
from harness.diagnosis.readers.journal import JournalReader
from harness.model.record import Missing, MissingUnit

GONE = "No such file or directory"
SCRIPT = "/usr/local/bin/user.sh"
PHASE = "services"


def found(*lines: Line, phase: str = PHASE) -> tuple[Missing, ...]:
    tracker = Tracker.load()
    detector = Detector(lambda boot: tracker.ended(OVERLAY, boot))
    for line in lines:
        tracker.feed(line, INDEX.hits(line))
        detector.feed(line, phase)
    return detector.found


@pytest.mark.parametrize(
    ("text", "command"),
    [
        (f"a.service: Failed to locate executable /usr/bin/oc: {GONE}", "/usr/bin/oc"),
        (f"a.service: Failed to locate executable oc: {GONE}", "oc"),
        (f"a.service: Unable to locate executable '/usr/bin/oc': {GONE}", "/usr/bin/oc"),
        (f"a.service: Failed at step EXEC spawning /opt/x/oc: {GONE}", "/opt/x/oc"),
        (f"a.service: Executable /usr/bin/oc missing, skipping: {GONE}", "/usr/bin/oc"),
    ],
)
def test_systemd_names_the_unit_and_the_program(text: str, command: str) -> None:
    [miss] = found(journal(text, unit="a.service", identifier="(oc)"))

    assert (miss.caller, miss.what, miss.package) == ("a.service", command, None)
    assert miss.line.text == f"(oc): {text}"


@pytest.mark.parametrize(
    ("text", "caller", "command"),
    [
        (f"{SCRIPT}: line 3: oc: command not found", f"{SCRIPT} line 3", "oc"),
        (f"{SCRIPT}: line 3: oc: not found", f"{SCRIPT} line 3", "oc"),
        ("sh: 1: oc: not found", "sh line 1", "oc"),
        (f"{SCRIPT}: 12: /usr/bin/crictl: not found", f"{SCRIPT} line 12", "/usr/bin/crictl"),
        ("/bin/bash: oc: command not found", "user.sh by /bin/bash", "oc"),
        ("sh: oc: not found", "user.sh by sh", "oc"),
        (f"{SCRIPT}: line 4: /usr/bin/oc: {GONE}", f"{SCRIPT} line 4", "/usr/bin/oc"),
        (f"bash: /bin/oc: {GONE}", "user.sh by bash", "/bin/oc"),
        (
            f"bash: line 1: /x.py: /usr/bin/python3: bad interpreter: {GONE}",
            "bash line 1",
            "/usr/bin/python3",
        ),
        (f"/usr/bin/env: 'oc': {GONE}", "user.sh by /usr/bin/env", "oc"),
        (f"env: \u2018oc\u2019: {GONE}", "user.sh by env", "oc"),
        (f"timeout: failed to run command 'oc': {GONE}", "user.sh by timeout", "oc"),
        (f"setsid: failed to execute oc: {GONE}", "user.sh by setsid", "oc"),
        (f"xargs: oc: {GONE}", "user.sh by xargs", "oc"),
        (f"Failed to find executable oc: {GONE}", "user.sh", "oc"),
        ("sudo: oc: command not found", "user.sh by sudo", "oc"),
        ('error: exec: "oc": executable file not found in $PATH', "user.sh", "oc"),
        (
            r'time="2026-03-02" level=fatal msg="exec: \"oc\": executable file not found in $PATH"',
            "user.sh",
            "oc",
        ),
        ("run: fork/exec /usr/bin/oc: no such file or directory", "user.sh", "/usr/bin/oc"),
    ],
)
def test_shells_and_programs_that_run_others_name_the_script(
    text: str, caller: str, command: str
) -> None:
    [miss] = found(journal(text))

    assert (miss.caller, miss.what) == (f"user.service: {caller}", command)


@pytest.mark.parametrize(
    ("raised_in", "path", "is_call"),
    [
        ("/usr/lib64/python3.9/subprocess.py", "oc", True),
        ("/usr/lib64/python3.12/subprocess.py", "/usr/bin/oc", True),
        ("/usr/lib64/python3.9/subprocess.py", "/var/lib/state", False),
        ("/usr/local/bin/user.py", "oc", False),
    ],
)
def test_python_lacks_a_program_if_its_trace_goes_through_subprocess(
    raised_in: str, path: str, *, is_call: bool
) -> None:
    trace = journal(f'File "{raised_in}", line 1837, in _execute_child')

    misses = found(trace, journal(f"FileNotFoundError: [Errno 2] {GONE}: '{path}'"))

    assert [miss.what for miss in misses] == ([path] if is_call else [])


@pytest.mark.parametrize(
    ("text", "identifier", "caller"),
    [
        ("Failed to start {}: Unit {} not found.", "systemctl", "user.service: systemctl"),
        ("Failed to restart other.service: Unit {} not found.", "x.sh", "user.service: x.sh"),
        ("Failed to try-restart {}: Unit {} not found.", "x.sh", "user.service: x.sh"),
        ("Failed to enable unit: Unit file {} does not exist.", "x.sh", "user.service: x.sh"),
        ("Failed to enable unit: Unit {} does not exist", "x.sh", "user.service: x.sh"),
        (
            "warm.timer: Failed to queue unit startup job: Unit {} not found.",
            "systemd",
            "warm.timer",
        ),
        (
            "warm.service: Failed to schedule start job: Unit {} not found.",
            "systemd",
            "warm.service",
        ),
        (
            "a.socket: Failed to queue service startup job (Maybe the service file is missing or "
            "not a non-template unit?): Unit {} not found.",
            "systemd",
            "a.socket",
        ),
        (
            "a.service: Failed to enqueue OnFailure= job, ignoring: Unit {} not found.",
            "systemd",
            "a.service",
        ),
        (
            "a.service: Cannot add dependency job, ignoring: Unit {} not found.",
            "systemd",
            "a.service",
        ),
        (
            "Cannot add dependency job for unit a.service, ignoring: Unit {} not found.",
            "systemd",
            "user.service",
        ),
    ],
)
@pytest.mark.parametrize("unit", ["kubelet.service", "crio.socket", r"var-x\x2dy.mount"])
def test_unit_that_no_file_defines_is_missing(
    text: str, identifier: str, caller: str, unit: str
) -> None:
    [miss] = found(journal(text.replace("{}", unit), identifier=identifier))

    assert isinstance(miss, MissingUnit)
    assert (miss.caller, miss.unit) == (caller, unit)
    assert str(miss) == f"{caller} asked for {unit}"


@pytest.mark.parametrize(
    "text",
    [
        "Failed to stop kubelet.service: Unit kubelet.service not found.",
        "Failed to stop kubelet.service: Unit kubelet.service not loaded.",
        "Failed to disable unit: Unit file kubelet.service does not exist.",
        "Failed to start kubelet.service: Unit kubelet.service is masked.",
        "Unit kubelet.service could not be found.",  # systemctl status: a question
        "the log says: Failed to start kubelet.service: Unit kubelet.service not found.",
        "Failed to start kubelet: Unit kubelet not found in the cluster.",
    ],
)
def test_units_that_nobody_needs_started_are_not_missing(text: str) -> None:
    assert not found(journal(text, identifier="systemctl"))


def test_unit_that_is_asked_for_after_the_overlay_is_not_missing() -> None:
    overlaid = laid(20.0, unit="node-image-overlay.service")
    finish = Line(
        stream=Stream.JOURNAL, at_s=21.0, text="Starting Finish.", job=Job.STARTING,
        unit="node-image-finish.service",
    )  # fmt: skip
    late = journal("Failed to start a.service: Unit a.service not found.", at_s=30.0)

    assert found(late)
    assert not found(overlaid, finish, late)


@pytest.mark.parametrize(
    "text",
    [
        "oc: not found",  # dash answers `type oc` so
        f"{SCRIPT}: line 3: type: oc: not found",
        f"{SCRIPT}: line 3: command: oc: not found",
        f"{SCRIPT}: line 3: hash: oc: not found",
        "which: no oc in (/usr/bin:/usr/sbin)",
        f"the log says: {SCRIPT}: line 3: oc: command not found",
        f"{SCRIPT}: line 3: oc: command not found, as the installer says",
        f"Failed to locate executable /usr/bin/oc: {GONE} was in the log",
        "sh: 1: source: not found",
        "sh: 1: [[: not found",
        f"{SCRIPT}: line 4: /etc/oc.conf: {GONE}",
        f"{SCRIPT}: line 4: cd: /usr/bin/oc: {GONE}",
        f"{SCRIPT}: line 4: ./oc: {GONE}",
        f"{SCRIPT}: line 4: /usr/bin/oc: Permission denied",
        f"cat: /usr/bin/oc: {GONE}",
        f"chroot: failed to run command 'oc': {GONE}",
        f"a.service: Failed at step EXEC spawning /usr/bin/oc: {GONE}",  # not systemd says it
        "reading manifest latest: manifest unknown: image not found",
        'unable to start container: exec: "oc": executable file not found in $PATH: unknown',
        "fork/exec /opt/oc: no such file or directory",
        f"FileNotFoundError: [Errno 2] {GONE}: 'oc'",
    ],
)
def test_probes_quotations_and_other_missing_things_are_no_calls(text: str) -> None:
    assert not found(journal(text))


@pytest.mark.parametrize(
    "text",
    [
        "a.service: Main process exited, code=exited, status=203/EXEC",  # names no program
        "a.service: Failed at step EXEC spawning /usr/bin/oc: Permission denied",
        "a.service: Failed at step EXEC spawning /usr/bin/oc: Exec format error",
        f"a.service: Failed at step CHDIR spawning /usr/bin/oc: {GONE}",
        f"a.service: Failed to load environment files: {GONE}",
    ],
)
def test_programs_that_are_there_but_do_not_start_are_not_missing(text: str) -> None:
    assert not found(journal(text, unit="a.service", identifier="systemd"))


@pytest.mark.parametrize(
    "unit", ["session-3.scope", "node-image-harness-before.service", "libpod-conmon-0a1b.scope"]
)
def test_users_logged_in_the_harness_and_containers_are_not_judged(unit: str) -> None:
    assert not found(journal("bash: line 1: oc: command not found", unit=unit))


@pytest.mark.parametrize("phase", ["initramfs", "ignition-files", "kernel", "switch-root"])
def test_the_initramfs_is_another_system(phase: str) -> None:
    assert not found(journal("sh: 1: oc: not found"), phase=phase)


def test_one_record_for_each_unit_script_and_command() -> None:
    first = journal(f"{SCRIPT}: line 3: oc: command not found")
    again = journal(f"{SCRIPT}: line 9: oc: command not found")
    other_command = journal(f"{SCRIPT}: line 3: crictl: command not found")
    other_unit = journal(f"{SCRIPT}: line 3: oc: command not found", unit="other.service")
    detector = Detector(lambda _: None)

    reported = [detector.feed(line, PHASE) for line in (first, again, other_command, other_unit)]

    assert [miss is not None for miss in reported] == [True, False, True, True]
    assert [(miss.caller, miss.what) for miss in detector.found] == [
        (f"user.service: {SCRIPT} line 3", "oc"),
        (f"user.service: {SCRIPT} line 3", "crictl"),
        (f"other.service: {SCRIPT} line 3", "oc"),
    ]


@pytest.mark.parametrize(
    "sign",
    [
        event("overlay done", 50.0),
        laid(50.0, unit="node-image-overlay.service"),
        laid(50.0, unit="node-image-pivot.service"),
        laid(50.0, unit="", text="Finished Node Image Overlay."),
    ],
)
def test_calls_after_the_overlay_was_laid_do_not_count(sign: Line) -> None:
    before = journal("sh: 1: oc: not found", at_s=49.0)
    after = journal("sh: 1: crictl: not found", at_s=51.0)

    assert [miss.what for miss in found(before, sign, after)] == ["oc"]


def test_a_stream_that_reports_the_overlay_late_takes_calls_back() -> None:
    before, after = (journal(f"sh: 1: {name}: not found", at_s=at_s) for name, at_s in
                     (("oc", 49.0), ("crictl", 51.0)))  # fmt: skip

    assert [miss.what for miss in found(before, after, event("overlay done", 50.0))] == ["oc"]


def test_a_call_from_before_that_arrives_late_counts() -> None:
    late = journal("sh: 1: oc: not found", at_s=49.0)

    assert found(event("overlay done", 50.0), late)


def test_the_guests_own_clock_decides_where_both_lines_have_it() -> None:
    sign = event("overlay done", at_s=50.0, uptime_s=40.0)
    after = journal("sh: 1: oc: not found", at_s=49.0, uptime_s=41.0)

    assert not found(sign, after)


def test_of_several_signs_of_the_overlay_the_earliest_counts() -> None:
    late, early = event("overlay done", 60.0), laid(50.0, unit="node-image-overlay.service")
    between = journal("sh: 1: oc: not found", at_s=55.0)

    assert not found(late, early, between)
    assert not found(early, late, between)


@pytest.mark.parametrize("text", ["overlay started", "pull done", "overlay failed: no oc"])
def test_other_events_do_not_end_the_search(text: str) -> None:
    assert found(event(text, 50.0), journal("sh: 1: oc: not found", at_s=51.0))


def test_another_boot_is_another_overlay() -> None:
    sign = event("overlay done", 50.0)

    assert found(sign, journal("sh: 1: oc: not found", at_s=90.0, boot=2))


def test_the_console_fills_in_where_there_is_no_journal() -> None:
    [miss] = found(console("sh: 1: oc: not found", identifier="sh"))

    assert (miss.caller, miss.what, miss.line.stream) == ("sh line 1", "oc", "console")


@pytest.mark.parametrize("console_first", [True, False])
def test_what_console_and_journal_report_counts_once_with_the_unit(*, console_first: bool) -> None:
    lines = [console("sh: 1: oc: not found", identifier="sh"), journal("sh: 1: oc: not found")]

    [miss] = found(*(lines if console_first else reversed(lines)))

    assert miss.caller == "user.service: sh line 1"


def test_a_guest_that_floods_is_cut() -> None:
    flood = (journal(f"sh: 1: command{number}: not found") for number in range(500))

    assert len(found(*flood)) == 200


@pytest.mark.parametrize("stream", [Stream.EVENTS, Stream.IGNITION, Stream.HARNESS])
def test_other_streams_only_repeat_what_the_journal_has(stream: Stream) -> None:
    assert not found(Line(stream=stream, at_s=1.0, text="sh: 1: oc: not found"))


def test_recorded_journal_of_calls_on_a_real_bootimage() -> None:
    path = folders.fixture("transcripts/diagnosis/missing-commands.json")
    lines = [entry.line for entry in JournalReader().feed(path.read_text(encoding="utf-8"), 90.0)]

    misses = found(*lines)

    assert {(miss.caller, miss.what) for miss in misses} == {
        ("one.service", "/usr/bin/oc"),
        ("two.service", "/usr/bin/crictl"),
        ("two.service: /usr/bin/bash line 1", "kubelet"),
        ("three.service: /usr/local/bin/user-script line 7", "oc"),
        ("three.service: /usr/local/bin/user-script line 9", "/usr/bin/crictl"),
        ("three.service: /usr/local/bin/user-script line 17", "/usr/bin/containerd"),
        # `cat </usr/bin/nofile`: a redirection from a folder of programs has the same message.
        ("three.service: /usr/local/bin/user-script line 10", "/usr/bin/nofile"),
        ("three.service: user-script by env", "kubelet"),
        ("three.service: user-script by timeout", "kubectl"),
        ("three.service: user-script by xargs", "kubectl"),
        ("three.service: user-script by sudo", "oc"),
        ("three.service: user-script by sudo", "runc"),
        ("three.service: user-script by setsid", "crio"),
        ("four.service: /usr/local/bin/user-dash line 3", "oc"),
        ("four.service: /usr/local/bin/user-dash line 4", "/usr/bin/crictl"),
        ("five.service: user-python by /usr/bin/env", "nopython3"),
        ("six.service", "oc"),
        ("seven.service: /usr/bin/sh line 1", "oc"),
        ("eight.service", "/usr/bin/kubectl"),
        ("nine.service: systemd-run", "oc"),
    }
    assert len(misses) == 20


@pytest.mark.parametrize("name", ["phases-good-journal.json", "phases-noreg-journal.json"])
def test_recorded_boots_without_such_calls_stay_clean(name: str) -> None:
    path = folders.fixture(f"transcripts/diagnosis/{name}")
    lines = [entry.line for entry in JournalReader().feed(path.read_text(encoding="utf-8"), 90.0)]

    assert lines
    assert not found(*lines)
