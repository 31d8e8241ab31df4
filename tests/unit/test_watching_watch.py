"""A machine watched from outside, and the stages that follow live-apply."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from machine_fakes import FakeClock
from scenario_fakes import KEYS, make_machine, make_watch

from harness.machine.driver import POWERED_OFF, STOP_REASONS
from harness.machine.spec import EVENTS_PORT, IGNITION_PORT, JOURNAL_PORT
from harness.model.errors import HarnessError, ProductError, RigError
from harness.model.record import State, Weight
from harness.model.run_folder import MACHINE_RECORD

KERNEL = "[    0.000000] Linux version 6.1.0\n"
PANIC = "[   41.212345] Kernel panic - not syncing: sysrq triggered crash\n"


def test_each_phase_is_reported_once_when_it_ends(tmp_path: Path) -> None:
    machine = make_machine(tmp_path)
    watch, reported, clock = make_watch(machine, tmp_path)

    clock.now = 12.0
    machine.console.write_text(KERNEL)
    watch.check_alive()
    watch.check_alive()

    assert reported == ["one: firmware took 12.0 s"]


def test_progress_of_the_guest_is_reported_every_ten_seconds(tmp_path: Path) -> None:
    machine = make_machine(tmp_path)
    watch, reported, clock = make_watch(machine, tmp_path)
    port = machine.port_files[EVENTS_PORT]

    for second in range(20, 40):
        clock.now = float(second)
        with port.open("a") as events:
            events.write(
                f"stage=pull state=progress uptime={second}.00 detail=received {second} MB\n"
            )
        watch.check_alive()

    assert reported == ["one: pull: received 20 MB", "one: pull: received 31 MB"]


def test_streams_are_kept_as_they_come_without_secrets(tmp_path: Path) -> None:
    machine = make_machine(tmp_path)
    watch, _, _ = make_watch(machine, tmp_path)
    folder = tmp_path / "evidence" / "one"

    machine.console.write_text("Authorization: Bearer abcdefghijklmnop\nhalf a li")
    watch.check_alive()
    first = (folder / "console.txt").read_text()
    with machine.console.open("a") as console:
        console.write("ne\n")
    watch.check_alive()

    assert "abcdefghijklmnop" not in first
    assert "half" not in first, "a line is cleaned as a whole"
    assert (folder / "console.txt").read_text().endswith("half a line\n")


def test_record_of_a_killed_run_has_the_phase_it_was_in(tmp_path: Path) -> None:
    machine = make_machine(tmp_path)
    watch, _, _ = make_watch(machine, tmp_path)
    machine.console.write_text(KERNEL)

    watch.check_alive()

    record = json.loads((tmp_path / "evidence" / "one" / MACHINE_RECORD).read_text())
    assert record["state"] == State.RUNNING
    assert record["phases"][-1]["name"] == "kernel"
    assert record["phases"][-1]["end_s"] is None
    assert record["artifacts"] == ["console.txt"]


def test_panic_ends_the_wait_with_phase_cause_and_line(tmp_path: Path) -> None:
    machine = make_machine(tmp_path)
    watch, _, clock = make_watch(machine, tmp_path)
    clock.now = 41.0
    machine.console.write_text(KERNEL + PANIC)

    with pytest.raises(ProductError) as raised:
        watch.check_alive()

    text = str(raised.value)
    assert text.startswith("PRODUCT failed in kernel after 41 s: ")
    assert "41.0 s console | " in text
    assert "Kernel panic - not syncing: sysrq triggered crash" in text.splitlines()[2]
    assert f"evidence: {tmp_path / 'evidence' / 'one'}" in text
    assert raised.value.sighting is not None
    assert raised.value.sighting.weight is Weight.FATAL
    assert watch.record.state is State.FAILED
    assert watch.record.phases[-1].is_failed


def test_loop_that_becomes_fatal_in_a_later_phase_leaves_a_record(tmp_path: Path) -> None:
    machine = make_machine(tmp_path)
    watch, _, clock = make_watch(machine, tmp_path)
    loop = "kubelet.service: Scheduled restart job, restart counter is at"
    for number in range(1, 5):
        clock.now = 30.0 * number
        with machine.port_files[JOURNAL_PORT].open("a") as journal:
            journal.write(journal_line(f"{loop} {number}.", f"{clock.now * 1e6:.0f}"))
        with machine.console.open("a") as console:
            console.write(f"{KERNEL if number == 1 else ''}[   {clock.now:.6f}] init: step\n")
            console.write("[  OK  ] Reached target Multi-User System.\n" if number == 2 else "")
        try:
            watch.check_alive()
        except ProductError:
            break

    watch.finish(0)

    record = watch.record
    assert record.state is State.FAILED
    assert [phase.name for phase in record.phases if phase.is_failed]
    assert "firmware" in [phase.name for phase in record.phases]


def test_guest_that_writes_without_end_does_not_block_the_watch(tmp_path: Path) -> None:
    class Hurrying(FakeClock):
        """Passes time whenever it is looked at, as reading does."""

        def monotonic(self) -> float:
            self.now += 0.2
            return self.now

    machine = make_machine(tmp_path)
    watch, _, _ = make_watch(machine, tmp_path)
    watch.clock = Hurrying()
    machine.console.write_text(KERNEL + PANIC + f"{'y' * 1000}\n" * 1000)

    with pytest.raises(ProductError, match="panic"):
        watch.check_alive()

    kept = tmp_path / "evidence" / "one" / "console.txt"
    assert kept.stat().st_size < machine.console.stat().st_size, "the rest waits"


def test_packages_of_missing_commands_are_asked_for_after_the_machine(tmp_path: Path) -> None:
    machine = make_machine(tmp_path)
    watch, _, _ = make_watch(machine, tmp_path)
    machine.console.write_text(f"{KERNEL}Welcome to a system (Initramfs)!\nWelcome to a system!\n")
    machine.port_files[JOURNAL_PORT].write_text(
        journal_line("/usr/local/bin/early: line 2: oc: command not found", "40000000", "early")
    )
    asked: list[str] = []

    def package_of(command: str) -> str:
        asked.append(command)
        return "openshift-clients"

    watch.check_alive()
    watch.finish(0)
    assert [one.command for one in watch.record.missing_commands] == ["oc"]
    watch.name_packages(package_of)

    kept = json.loads((tmp_path / "evidence" / "one" / MACHINE_RECORD).read_text())
    assert asked
    assert kept["missing_commands"][0]["package"] == "openshift-clients"


def test_failure_that_a_caller_detects_names_what_was_missing(tmp_path: Path) -> None:
    machine = make_machine(tmp_path)
    watch, _, _ = make_watch(machine, tmp_path)
    machine.console.write_text(f"{KERNEL}Welcome to a system (Initramfs)!\nWelcome to a system!\n")
    lines = (
        ("/usr/local/bin/early: line 2: oc: command not found", "early"),
        ("Failed to start kubelet.service: Unit kubelet.service not found.", "systemctl"),
    )
    machine.port_files[JOURNAL_PORT].write_text(
        "".join(
            journal_line(text, f"4{number}000000", identifier)
            for number, (text, identifier) in enumerate(lines)
        )
    )

    watch.check_alive()
    text = str(watch.failed("live-apply did not run"))

    assert text.startswith("live-apply did not run (after ")
    assert "  missing: early.service: /usr/local/bin/early line 2 called oc\n" in text
    assert "  missing: systemctl.service: systemctl asked for kubelet.service\n" in text
    assert [one.unit for one in watch.record.missing_units] == ["kubelet.service"]


def journal_line(text: str, uptime_us: str, identifier: str = "systemd") -> str:
    entry = {
        "MESSAGE": text, "PRIORITY": "6", "_BOOT_ID": "b", "__CURSOR": f"c{uptime_us}",
        "__MONOTONIC_TIMESTAMP": uptime_us, "SYSLOG_IDENTIFIER": identifier,
        "UNIT" if identifier == "systemd" else "_SYSTEMD_UNIT": "kubelet.service"
        if identifier == "systemd" else f"{identifier}.service",
    }  # fmt: skip
    return json.dumps(entry) + "\n"


def test_a_fatal_sighting_is_raised_again_and_again(tmp_path: Path) -> None:
    machine = make_machine(tmp_path)
    watch, _, _ = make_watch(machine, tmp_path)
    machine.console.write_text(KERNEL + PANIC)

    with pytest.raises(ProductError) as first:
        watch.check_alive()
    with pytest.raises(ProductError) as second:
        watch.check_alive()

    assert second.value is first.value


@pytest.mark.parametrize(
    ("reason", "kind"),
    [(POWERED_OFF, ProductError), (STOP_REASONS[2], ProductError), (STOP_REASONS[5], RigError)],
)
def test_a_stopped_machine_is_the_guests_doing_or_qemus(
    tmp_path: Path, reason: str, kind: type[Exception]
) -> None:
    machine = make_machine(tmp_path, reason)
    machine.console.write_text(KERNEL)
    watch, _, clock = make_watch(machine, tmp_path)

    with pytest.raises(kind, match="in kernel after"):
        fail_soon(watch.check_alive, clock.sleep)


def test_ignitions_failure_is_reported_with_its_own_error(tmp_path: Path) -> None:
    machine = make_machine(tmp_path)
    machine.console.write_text(f"{KERNEL}Press Enter for maintenance\n(or Control-D): ")
    entry = {
        "MESSAGE": "Ignition failed: resource not found", "PRIORITY": "2",
        "SYSLOG_IDENTIFIER": "ignition", "__MONOTONIC_TIMESTAMP": "9000000", "_BOOT_ID": "b",
    }  # fmt: skip
    machine.port_files[IGNITION_PORT].write_text(json.dumps(entry) + "\n{}\n")
    watch, _, clock = make_watch(machine, tmp_path)

    with pytest.raises(HarnessError, match=r"\| ignition: Ignition failed: resource not"):
        fail_soon(watch.check_alive, clock.sleep)


def test_emergency_shell_alone_is_reported_after_a_moment(tmp_path: Path) -> None:
    machine = make_machine(tmp_path)
    machine.console.write_text(f"{KERNEL}the reason\nPress Enter for maintenance\n")
    watch, _, clock = make_watch(machine, tmp_path)

    watch.check_alive()
    clock.now += 30.0

    with pytest.raises(ProductError, match=r"(?s)\| the reason.*Press Enter for maintenance"):
        watch.check_alive()


@pytest.mark.parametrize(("stage", "kind"), [("pull", ProductError), ("harness-before", RigError)])
def test_a_failed_stage_is_reported_with_what_its_unit_said(
    tmp_path: Path, stage: str, kind: type[Exception]
) -> None:
    machine = make_machine(tmp_path)
    machine.port_files[EVENTS_PORT].write_text(
        f"stage={stage} state=log uptime=9.00 detail=something went wrong\n"
        f"stage={stage} state=failed uptime=9.00 detail=exit status 1\n"
    )
    watch, _, clock = make_watch(machine, tmp_path)

    with pytest.raises(kind, match="something went wrong"):
        fail_soon(watch.check_alive, clock.sleep)


def test_a_stuck_boot_is_reported_with_phase_and_last_lines(tmp_path: Path) -> None:
    machine = make_machine(tmp_path)
    machine.console.write_text(f"{KERNEL}waiting for a disk\n")
    watch, _, _ = make_watch(machine, tmp_path)
    watch.check_alive()

    text = str(watch.stuck("gave up on SSH"))

    assert text.startswith("PRODUCT stuck in kernel after 0 s: gave up on SSH")
    assert "| waiting for a disk" in text


def test_journal_is_kept_in_export_form(tmp_path: Path) -> None:
    machine = make_machine(tmp_path)
    entry = {"MESSAGE": "hello", "PRIORITY": "6", "_BOOT_ID": "b", "__CURSOR": "c",
             "__MONOTONIC_TIMESTAMP": "9000000", "__REALTIME_TIMESTAMP": "1"}  # fmt: skip
    machine.port_files[JOURNAL_PORT].write_text(json.dumps(entry) + "\n")
    watch, _, _ = make_watch(machine, tmp_path)

    watch.check_alive()

    kept = (tmp_path / "evidence" / "one" / "journal.export").read_bytes()
    assert b"\nMESSAGE=hello\n" in kept
    assert kept.endswith(b"\n\n")


def test_private_key_that_a_guest_logs_is_kept_by_no_stream(tmp_path: Path) -> None:
    machine = make_machine(tmp_path)
    pem = KEYS.client.private.reveal()
    entries = [
        json.dumps({"MESSAGE": line, "_BOOT_ID": "b", "__CURSOR": f"c{number}"})
        for number, line in enumerate(["the key:", *pem.splitlines(), "the end"])
    ]
    machine.port_files[JOURNAL_PORT].write_text("\n".join(entries) + "\n")
    machine.console.write_text(f"the key:\n{pem}the end\n")
    watch, _, _ = make_watch(machine, tmp_path)

    watch.check_alive()

    folder = tmp_path / "evidence" / "one"
    for name in ("journal.export", "console.txt"):
        kept = (folder / name).read_text()
        assert "the end" in kept
        assert not [line for line in pem.splitlines() if len(line) > 6 and line in kept]


def test_phase_of_the_host_is_noted_with_its_failure(tmp_path: Path) -> None:
    watch, reported, clock = make_watch(make_machine(tmp_path), tmp_path)

    with watch.phase("ready-cri", "the runtime answers"):
        clock.now += 2.0
    with pytest.raises(ProductError), watch.phase("ready-static-pod", "a static pod runs"):
        raise ProductError("it does not")

    by_name = {record.name: record for record in watch.record.phases}
    assert reported == ["one: the runtime answers took 2.0 s"]
    assert not by_name["ready-cri"].is_failed
    assert by_name["ready-static-pod"].is_failed
    assert not by_name["firmware"].is_failed, "only what failed is marked"


def test_mark_of_an_earlier_boot_does_not_count_for_a_later_one(tmp_path: Path) -> None:
    machine = make_machine(tmp_path)
    watch, _, clock = make_watch(machine, tmp_path)
    port = machine.port_files[EVENTS_PORT]

    clock.now = 60.0
    machine.console.write_text(KERNEL + "[   50.000000] init: up\n")
    port.write_text("stage=multi-user state=done uptime=50.00 detail=\n")
    watch.check_alive()
    clock.now = 70.0
    with machine.console.open("a") as console:
        console.write(KERNEL)
    watch.check_alive()
    before = [watch.has_reached("multi-user", boot) for boot in (1, 2)]
    clock.now = 120.0
    with port.open("a") as events:
        events.write("stage=multi-user state=done uptime=49.00 detail=\n")
    watch.check_alive()

    assert before == [True, False]
    assert watch.has_reached("multi-user", 2)


APPLIED = """\
stage=pull state=started uptime=10.00 detail=
stage=pull state=done uptime=30.00 detail=
stage=overlay state=started uptime=30.50 detail=
stage=finish state=done uptime=31.00 detail=
stage=multi-user state=done uptime=35.00 detail=
"""


def test_inner_phase_is_reached_when_it_has_ended_well(tmp_path: Path) -> None:
    machine = make_machine(tmp_path)
    watch, _, clock = make_watch(machine, tmp_path)
    clock.now = 60.0
    machine.console.write_text(KERNEL)
    machine.port_files[EVENTS_PORT].write_text(APPLIED)

    watch.check_alive()

    assert watch.has_reached("overlay-apply", 1)
    assert not watch.has_reached("overlay-apply", 2)
    assert not watch.has_reached("runtime", 1)


def test_hits_of_a_named_mark_are_kept_with_their_boot(tmp_path: Path) -> None:
    machine = make_machine(tmp_path)
    watch, _, clock = make_watch(machine, tmp_path)
    clock.now = 60.0
    machine.port_files[EVENTS_PORT].write_text("".join(
        f"stage=pull state=done uptime={uptime}.00 detail=memory peaks: "
        f"/var/ostreecontainer {uptime} bytes, /run/ephemeral 7 bytes\n" for uptime in range(210)
    ))  # fmt: skip

    watch.check_alive()

    hits = watch.hits("memory-peaks")
    assert [int(hit.groups["image"]) for hit in hits] == list(range(10, 210))
    assert {(hit.groups["writable"], hit.boot) for hit in hits} == {("7", 1)}
    with pytest.raises(KeyError):
        watch.hits("nothing")


def test_span_of_the_host_is_recorded_only_when_it_ends_well(tmp_path: Path) -> None:
    watch, reported, clock = make_watch(make_machine(tmp_path), tmp_path)

    with watch.span("login", "first login"):
        clock.now += 2.0
    with pytest.raises(ProductError), watch.span("reboot", "reboot"):
        raise ProductError("it does not come back")

    spans = [one for one in watch.record.phases if one.name != "firmware"]
    assert reported == ["one: first login took 2.0 s"]
    assert [(one.name, one.begin_s, one.end_s, one.depth) for one in spans] == [
        ("login", 0.0, 2.0, 1)
    ]


def fail_soon(check_alive: Callable[[], None], sleep: Callable[[float], None]) -> None:
    """Ask for as long as a sign may wait for a better one."""
    for _ in range(100):
        check_alive()
        sleep(0.5)
