"""A machine watched from outside, and the stages that follow live-apply."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from scenario_fakes import KEYS, FakeShell, make_boot, make_machine, make_watch

from harness.machine.driver import POWERED_OFF, STOP_REASONS
from harness.machine.machine import EVENTS_PORT, IGNITION_PORT
from harness.model.clock import Deadline
from harness.model.errors import ProductError, RigError
from harness.node.dial import Endpoint
from harness.node.live_apply import Limits
from harness.node.ssh import ConnectionLostError, Result
from harness.scenarios.stages import wait_for_live_apply, wait_until_settled


def test_news_are_told_once_with_the_seconds(tmp_path: Path) -> None:
    machine = make_machine(tmp_path)
    watch, told, clock = make_watch(machine)
    machine.port_files[EVENTS_PORT].write_text(
        "stage=pull state=progress uptime=9.00 detail=received 15 MB\n"
    )

    clock.now = 12.0
    watch.insist_alive()
    watch.insist_alive()

    assert told == ["firmware and boot loader (12 s)", "pull: received 15 MB (12 s)"]


def test_evidence_is_kept_when_a_phase_or_stage_begins(tmp_path: Path) -> None:
    machine = make_machine(tmp_path)
    watch, _, _ = make_watch(machine)
    kept: list[float] = []
    watch.keep = lambda: kept.append(watch.elapsed_s)

    watch.insist_alive()
    watch.insist_alive()
    assert len(kept) == 1
    told = machine.port_files[EVENTS_PORT]
    told.write_text("stage=pull state=started uptime=9.00 detail=image\n")
    watch.insist_alive()
    assert len(kept) == 2
    with told.open("a") as events:
        events.write("stage=pull state=progress uptime=9.50 detail=received 15 MB\n")
    watch.insist_alive()

    assert len(kept) == 2


@pytest.mark.parametrize(
    ("reason", "kind"),
    [(POWERED_OFF, ProductError), (STOP_REASONS[2], ProductError), (STOP_REASONS[5], RigError)],
)
def test_a_stopped_machine_is_the_guests_doing_or_qemus(
    tmp_path: Path, reason: str, kind: type[Exception]
) -> None:
    machine = make_machine(tmp_path, reason)
    machine.console.write_text("[    0.000000] Linux version 6\nlast words\n")
    watch, _, _ = make_watch(machine)

    with pytest.raises(kind) as raised:
        watch.insist_alive()

    assert f"during the kernel's start: {reason}" in str(raised.value)
    assert "  | last words\n  evidence: /evidence/one" in str(raised.value)


def test_ignitions_failure_is_told_with_its_own_error(tmp_path: Path) -> None:
    machine = make_machine(tmp_path)
    machine.console.write_text("Running in initrd\nPress Enter for maintenance\n")
    entry = {"MESSAGE": "404 not found", "PRIORITY": "2", "SYSLOG_IDENTIFIER": "ignition"}
    machine.port_files[IGNITION_PORT].write_text(json.dumps(entry) + "\n{}\n")
    watch, _, _ = make_watch(machine)

    with pytest.raises(ProductError, match=r"(?s)during Ignition in .*\| 404 not found"):
        watch.insist_alive()


def test_emergency_shell_waits_a_moment_for_ignitions_reasons(tmp_path: Path) -> None:
    machine = make_machine(tmp_path)
    machine.console.write_text("the reason\nPress Enter for maintenance\n")
    watch, _, clock = make_watch(machine)

    watch.insist_alive()
    clock.now += watch.grace_s + 1

    with pytest.raises(ProductError, match=r"(?s)Press Enter for maintenance.*\| the reason"):
        watch.insist_alive()


@pytest.mark.parametrize(("stage", "kind"), [("pull", ProductError), ("harness-before", RigError)])
def test_a_failed_stage_is_told_with_its_journal(
    tmp_path: Path, stage: str, kind: type[Exception]
) -> None:
    machine = make_machine(tmp_path)
    machine.port_files[EVENTS_PORT].write_text(
        f"stage={stage} state=log uptime=9.00 detail=connection refused\n"
        f"stage={stage} state=failed uptime=9.00 detail=exit status 1\n"
    )
    watch, _, _ = make_watch(machine)

    with pytest.raises(kind, match=rf"(?s)stage {stage}: exit status 1.*\| connection refused"):
        watch.insist_alive()


def test_a_boot_without_end_is_told_with_phase_and_console(tmp_path: Path) -> None:
    machine = make_machine(tmp_path)
    machine.console.write_text("Running in initrd\nwaiting for a disk\n")
    watch, _, _ = make_watch(machine)

    text = str(watch.stuck("gave up on SSH"))

    assert text.startswith("gave up on SSH, during Ignition in the initramfs")
    assert "  | waiting for a disk" in text


LIMITS = Limits(pull_s=5.0, step_s=1.0)
APPLIED = """\
stage=pull state=started uptime=10.00 detail=
stage=pull state=done uptime=30.00 detail=
stage=finish state=done uptime=31.00 detail=
stage=multi-user state=done uptime=35.00 detail=
"""


def test_live_apply_is_over_when_the_node_is_back_and_leaves_its_timings(tmp_path: Path) -> None:
    boot, _ = make_boot(tmp_path, APPLIED)

    wait_for_live_apply(boot, Limits())

    assert boot.timings_s == {"pull": 20.0, "finish": 1.0, "multi-user": 4.0}


def test_live_apply_that_never_ends_is_told_with_the_stage_it_is_in(tmp_path: Path) -> None:
    boot, _ = make_boot(tmp_path, APPLIED.partition("stage=finish")[0])

    with pytest.raises(ProductError, match="pull says done, during pull of live-apply"):
        wait_for_live_apply(boot, LIMITS)

    assert boot.watch.elapsed_s >= LIMITS.overall_s


def test_a_bootimage_that_has_the_node_layer_is_told_as_such(tmp_path: Path) -> None:
    boot, _ = make_boot(tmp_path, APPLIED.splitlines()[-1] + "\n")

    with pytest.raises(ProductError, match="openshift-clients, of the node layer, is in the boot"):
        wait_for_live_apply(boot, Limits())


def test_settling_waits_for_the_last_job(tmp_path: Path) -> None:
    boot, told = make_boot(tmp_path)
    shell = FakeShell("12 kubelet.service start running\n", "")

    wait_until_settled(boot, shell)

    assert shell.answers == [""]
    assert told == []


def test_a_job_without_end_is_told_and_left_to_the_judges(tmp_path: Path) -> None:
    boot, told = make_boot(tmp_path)

    wait_until_settled(boot, FakeShell("12 kubelet.service start running\n"))

    assert told[-1].startswith("not settled: jobs of systemd: kubelet.service start (")


def test_a_session_that_live_apply_broke_is_the_products_fault(tmp_path: Path) -> None:
    boot, _ = make_boot(tmp_path)
    endpoint = Endpoint(address="127.0.0.1", port=1, client_key=KEYS.client.private, host_key="")
    shell = FakeShell(ConnectionLostError(endpoint, "systemctl", "the connection dropped"))

    with pytest.raises(ProductError, match=r"did not survive it: .* the connection dropped"):
        wait_until_settled(boot, shell)


def test_single_question_to_a_slow_guest_gets_more_time(tmp_path: Path) -> None:
    limits_s: list[float] = []

    class Asked(FakeShell):
        def run(
            self, command: str, deadline: Deadline, *, check: bool = False, sudo: bool = True
        ) -> Result:
            limits_s.append(deadline.limit_s)
            return super().run(command, deadline, check=check, sudo=sudo)

    boot, _ = make_boot(tmp_path)

    wait_until_settled(boot, Asked(""))

    assert limits_s == [30.0 * boot.rig.timeout_factor]
