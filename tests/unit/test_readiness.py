"""The levels of readiness on a scripted guest and a clock that only moves when slept on."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import pytest
from machine_fakes import FakeClock

from harness.guest.keys import make_run_keys
from harness.model.clock import Deadline
from harness.model.errors import DeadlineError, ProductError, RigError
from harness.model.record import Blame, Sighting, Weight
from harness.node.dial import Endpoint
from harness.node.readiness import (
    LEVELS,
    STEADY_S,
    Level,
    reach_cri,
    reach_healthz,
    reach_new_session,
    reach_static_pod,
    reach_unit_active,
)
from harness.node.ssh import ConnectionLostError, GuestCommandError, Result

UP = "Id=kubelet.service\nLoadState=loaded\nActiveState=active\nSubState=running\nType=notify\n"
TIMES = "ActiveEnterTimestampMonotonic=60000000\nUptime={}.25 130.00\n"
RUNNING = f"{UP}NRestarts=0\nMainPID=812\n{TIMES.format(90)}"
YOUNG = f"{UP}NRestarts=1\nMainPID=990\n{TIMES.format(64)}"
OLDER = f"{UP}NRestarts=1\nMainPID=990\n{TIMES.format(65)}"
STARTING = RUNNING.replace("active\nSubState=running", "activating\nSubState=start")
FAILED = RUNNING.replace("active\nSubState=running", "failed\nSubState=failed")

PODS = {"items": [{"metadata": {"name": "node-image-harness-probe-n"}, "state": "SANDBOX_READY"}]}
LABELS = {"io.kubernetes.pod.name": "node-image-harness-probe-n"}
UP_CONTAINER = {"containers": [{"labels": LABELS, "state": "CONTAINER_RUNNING"}]}
DEAD_CONTAINER = {"containers": [{"labels": LABELS, "state": "CONTAINER_EXITED"}]}

KEYS = make_run_keys()
ENDPOINT = Endpoint(
    address="127.0.0.1", port=22, client_key=KEYS.client.private, host_key=KEYS.host.public
)
PANIC = Sighting(
    rule="panic", weight=Weight.FATAL, blame=Blame.PRODUCT, phase="kubelet", at_s=1.0,
    cause="the kernel panicked", advice="look", source="here",
)  # fmt: skip

Answer = str | Result | Exception


class FakeShell:
    """Answers a command by the first script whose key is in it; the last answer of one repeats.

    A key that begins with `sudo ` is of a command that runs as root.
    """

    def __init__(self, scripts: Mapping[str, list[Answer]]) -> None:
        self.scripts = {
            **scripts,
            "systemctl show": scripts.get("systemctl show", [RUNNING]),
            "journalctl": scripts.get("journalctl", ["kubelet[812]: panic: no cgroup\n"]),
        }
        self.asked: list[str] = []
        self.limits_s: list[float] = []

    def run(
        self, command: str, deadline: Deadline, *, check: bool = False, sudo: bool = True
    ) -> Result:
        self.asked.append(command)
        self.limits_s.append(deadline.limit_s)
        line = f"sudo {command}" if sudo else command
        script = next(answers for key, answers in self.scripts.items() if key in line)
        answer = script.pop(0) if len(script) > 1 else script[0]
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, str):
            return Result(status=0, stdout=answer, stderr="")
        if check and answer.status:
            raise GuestCommandError(ENDPOINT, command, answer)
        return answer


def _fails(status: int, stderr: str) -> Result:
    return Result(status=status, stdout="", stderr=stderr)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def deadline(clock: FakeClock) -> Deadline:
    return Deadline.after(60, clock)


def test_levels_go_from_the_unit_to_the_pod() -> None:
    assert [level.name for level in LEVELS] == ["unit-active", "healthz", "cri", "static-pod"]


def test_unit_that_has_run_for_a_while_is_not_watched_for_longer(
    deadline: Deadline, clock: FakeClock
) -> None:
    shell = FakeShell({"systemctl show": [RUNNING]})

    evidence = reach_unit_active(shell, deadline)

    assert "active/running, main process 812 for 30 s" in evidence
    assert clock.now == 0


def test_unit_that_runs_since_a_moment_ago_has_to_go_on(deadline: Deadline) -> None:
    shell = FakeShell({"systemctl show": [STARTING, YOUNG, OLDER]})

    assert f"main process 990 for {STEADY_S:.0f} s" in reach_unit_active(shell, deadline)
    assert len(shell.asked) == 3


def test_unit_that_never_starts_fails_with_its_last_state_and_journal(deadline: Deadline) -> None:
    shell = FakeShell({"systemctl show": [STARTING]})

    with pytest.raises(ProductError, match=r"(?s)after 60 s: .*activating/start.*no cgroup"):
        reach_unit_active(shell, deadline)


@pytest.mark.parametrize("level", LEVELS, ids=lambda level: level.name)
def test_failed_unit_ends_every_level_at_once(
    level: Level, deadline: Deadline, clock: FakeClock
) -> None:
    shell = FakeShell({"systemctl show": [FAILED]})

    with pytest.raises(ProductError, match=r"(?s)not possible: .*failed/failed.*panic: no cgroup"):
        level.reach(shell, deadline)

    assert clock.now == 0


def test_journal_tail_is_bounded(deadline: Deadline) -> None:
    flood = "".join(f"line {number} {'x' * 999}\n" for number in range(200))
    shell = FakeShell({"systemctl show": [FAILED], "journalctl": [flood]})

    with pytest.raises(ProductError) as caught:
        reach_healthz(shell, deadline)

    assert "line 199" in str(caught.value)
    assert "line 169 " not in str(caught.value)
    assert max(map(len, str(caught.value).splitlines())) <= 302


def test_journal_that_cannot_be_had_does_not_hide_the_reason(deadline: Deadline) -> None:
    shell = FakeShell({"systemctl show": [FAILED], "journalctl": [RigError("dropped")]})

    with pytest.raises(ProductError, match=r"(?s)failed/failed.*not to be had: dropped"):
        reach_healthz(shell, deadline)


def test_healthz_is_waited_for(deadline: Deadline) -> None:
    refused = _fails(7, "curl: (7) Failed to connect")
    shell = FakeShell({"curl": [refused, "[-]syncloop failed\n", "ok"]})

    assert reach_healthz(shell, deadline) == "http://127.0.0.1:10248/healthz says ok"
    assert len([command for command in shell.asked if "curl" in command]) == 3


def test_unhealthy_kubelet_fails_with_what_it_says(deadline: Deadline) -> None:
    shell = FakeShell({"curl": ["[-]syncloop failed"]})

    with pytest.raises(ProductError, match=r"healthz says .*syncloop failed"):
        reach_healthz(shell, deadline)


def test_question_that_hangs_is_a_reason_to_wait_on(deadline: Deadline) -> None:
    shell = FakeShell({"curl": [DeadlineError("curl", 20, "still running"), "ok"]})

    assert "ok" in reach_healthz(shell, deadline)


def test_missing_program_ends_the_wait_at_once(deadline: Deadline, clock: FakeClock) -> None:
    shell = FakeShell({"crictl": [_fails(127, "sh: crictl: not found")]})

    with pytest.raises(ProductError, match="lacks a program: sh: crictl: not found"):
        reach_cri(shell, deadline)

    assert clock.now == 0


def test_lost_connection_stays_a_problem_of_the_rig(deadline: Deadline) -> None:
    shell = FakeShell({"curl": [RigError("dropped")]})

    with pytest.raises(RigError, match=r"^dropped$"):
        reach_healthz(shell, deadline)


@pytest.mark.parametrize("command", ["curl", "journalctl"])
def test_diagnosis_of_the_machine_is_not_repeated(command: str, deadline: Deadline) -> None:
    reported = ProductError("the kernel panicked", sighting=PANIC)
    shell = FakeShell({"systemctl show": [RUNNING, FAILED], "curl": ["no"], command: [reported]})

    with pytest.raises(ProductError) as caught:
        reach_healthz(shell, deadline)

    assert caught.value is reported


def test_cri_is_asked_at_the_sockets_place(deadline: Deadline) -> None:
    version = "Version:  0.1.0\nRuntimeName:  containerd\nRuntimeVersion:  1.6.20\n"
    shell = FakeShell(
        {
            "crictl": [version, f"{version}RuntimeApiVersion:  v1alpha2\n"],
        }
    )

    evidence = reach_cri(shell, deadline)

    assert evidence == "RuntimeName containerd, RuntimeVersion 1.6.20, RuntimeApiVersion v1alpha2"
    assert "crictl --runtime-endpoint unix:///run/crio/crio.sock version" in shell.asked


def test_runtime_that_never_listens_is_reported(deadline: Deadline) -> None:
    reported = "dial unix /run/crio/crio.sock: connect: no such file or directory"
    shell = FakeShell({"crictl": [_fails(1, reported)]})

    with pytest.raises(ProductError, match=r"crictl exited 1: .*/run/crio/crio\.sock"):
        reach_cri(shell, deadline)


def test_static_pod_is_waited_for(deadline: Deadline) -> None:
    shell = FakeShell(
        {
            "pods --output": ['{"items": []}', json.dumps(PODS)],
            "ps --all": ['{"containers": []}', json.dumps(UP_CONTAINER)],
        }
    )

    evidence = reach_static_pod(shell, deadline)

    assert "sandboxes SANDBOX_READY; containers CONTAINER_RUNNING" in evidence


def test_static_pod_whose_container_ends_fails_with_the_states(deadline: Deadline) -> None:
    shell = FakeShell(
        {"pods --output": [json.dumps(PODS)], "ps --all": [json.dumps(DEAD_CONTAINER)]}
    )

    with pytest.raises(ProductError, match="SANDBOX_READY; containers CONTAINER_EXITED"):
        reach_static_pod(shell, deadline)


def test_crictl_that_prints_no_json_is_reported(deadline: Deadline) -> None:
    shell = FakeShell({"pods --output": ["garbage"], "ps --all": ["garbage"]})

    with pytest.raises(ProductError, match="no JSON that can be read"):
        reach_static_pod(shell, deadline)


class FakeDoor:
    """Opens a shell, or raises the failure of the login."""

    def __init__(self, answer: Answer, failure: Exception | None = None) -> None:
        self.shell = FakeShell({"sudo id -un": ["root\n"], "id -un": [answer]})
        self.failure = failure

    @contextmanager
    def fresh(self, deadline: Deadline) -> Iterator[FakeShell]:
        if self.failure is not None:
            raise self.failure
        yield self.shell


def test_new_session_of_the_user_is_the_evidence(deadline: Deadline) -> None:
    assert reach_new_session(FakeDoor("core\n"), deadline) == "a new SSH session is core"


@pytest.mark.parametrize(
    "door",
    [
        FakeDoor("", DeadlineError("SSH", 60, "connection refused")),
        FakeDoor(ConnectionLostError(ENDPOINT, "id -un", "EOF")),
        FakeDoor(_fails(1, "no such user")),
        FakeDoor("root\n"),
    ],
    ids=["refused", "dropped", "no-command", "another-user"],
)
def test_sshd_that_is_broken_after_live_apply_is_a_fault_of_the_product(
    door: FakeDoor, deadline: Deadline
) -> None:
    with pytest.raises(
        ProductError, match=r"new SSH session: (does not work|`id -un` prints 'root')"
    ):
        reach_new_session(door, deadline)


def test_host_that_fails_under_a_new_session_is_a_problem_of_the_rig(deadline: Deadline) -> None:
    with pytest.raises(RigError, match="QEMU ended"):
        reach_new_session(FakeDoor("", RigError("QEMU ended")), deadline)


@pytest.mark.parametrize(("wait_s", "ask_s"), [(60, 20), (600, 100)])
def test_single_question_gets_its_share_of_a_stretched_wait(
    clock: FakeClock, wait_s: float, ask_s: float
) -> None:
    shell = FakeShell({"curl": ["ok"]})

    reach_healthz(shell, Deadline.after(wait_s, clock))

    assert shell.limits_s[-1] == pytest.approx(ask_s)
