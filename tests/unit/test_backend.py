"""testinfra's questions over a session: which commands they become, and what is remembered."""

from __future__ import annotations

import pytest

from harness.model.clock import Deadline
from harness.model.errors import RigError
from harness.node.backend import make_host
from harness.node.ssh import Result


class FakeShell:
    """Answers known commands with success and notes them all."""

    def __init__(self, answers: dict[str, str]) -> None:
        self.answers = {"command -v command": "command\n", **answers}
        self.asked: list[str] = []
        self.limits_s: list[float] = []

    def run(
        self, command: str, deadline: Deadline, *, check: bool = False, sudo: bool = True
    ) -> Result:
        self.asked.append(command)
        self.limits_s.append(deadline.limit_s)
        known = command in self.answers
        return Result(status=0 if known else 1, stdout=self.answers.get(command, ""), stderr="")


class DroppingShell(FakeShell):
    """Loses the connection under every command."""

    def run(
        self, command: str, deadline: Deadline, *, check: bool = False, sudo: bool = True
    ) -> Result:
        self.asked.append(command)
        raise RigError("dropped")


GUEST = {
    "uname -s": "Linux\n",
    "uname -m": "x86_64\n",
    "cat /etc/os-release": 'ID="rhel"\nVERSION_ID="9.6"\n',
    "test -d /run/systemd/system/": "",
}


def test_package_question_is_asked_of_rpm() -> None:
    shell = FakeShell({**GUEST, "rpm -q --quiet openshift-kubelet 2>&1": ""})

    host = make_host(shell, "guest")

    assert host.package("openshift-kubelet").is_installed
    assert not host.package("cri-o").is_installed
    assert "rpm -q --quiet cri-o 2>&1" in shell.asked


def test_service_question_is_asked_of_systemd() -> None:
    shell = FakeShell({**GUEST, "systemctl is-active kubelet": "active\n"})

    assert make_host(shell, "guest").service("kubelet").is_running
    assert "systemctl is-active kubelet" in shell.asked


def test_file_question_quotes_its_path() -> None:
    shell = FakeShell({**GUEST, "test -e '/etc/a b'": ""})

    assert make_host(shell, "guest").file("/etc/a b").exists


def test_text_beyond_ascii_comes_through_without_asking_the_guest_its_encoding() -> None:
    shell = FakeShell({"motd": "Grüße"})

    result = make_host(shell, "guest").run("motd")

    assert (result.rc, result.stdout, result.stdout_bytes) == (0, "Grüße", "Grüße".encode())
    assert shell.asked == ["motd"]


def test_every_command_has_a_limit() -> None:
    shell = FakeShell({})

    make_host(shell, "guest", limit_s=7.0).run("true")

    assert shell.limits_s == [7.0]


def test_new_host_forgets_what_the_old_one_saw() -> None:
    shell = FakeShell(GUEST)
    before = make_host(shell, "guest").system_info.release

    shell.answers["cat /etc/os-release"] = 'ID="rhel"\nVERSION_ID="10.2"\n'

    assert (before, make_host(shell, "guest").system_info.release) == ("9.6", "10.2")


def test_dropped_connection_is_reported_and_the_command_ran_once() -> None:
    shell = DroppingShell({})

    with pytest.raises(RigError, match="dropped"):
        make_host(shell, "guest").run("reboot")

    assert shell.asked == ["reboot"]
