"""Forks of a scenario's node: each answers, and what one of them breaks stays its own."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from harness.machine.spec import JOURNAL_PORT
from harness.model.clock import Deadline, NotYet, wait_for
from harness.model.errors import ProductError
from harness.node.readiness import LEVELS, Level
from harness.node.ssh import Session
from harness.player.applied import AppliedNode, OwnNode
from harness.player.inputs import Rig

_ASK_S = 60.0
_NOT_BARE_AT_LOGIN = ("fat", "ipi_cluster")
_DYING = """
mkdir -p /run/systemd/system/kubelet.service.d
cat > /run/systemd/system/kubelet.service.d/90-dies.conf <<'END'
[Unit]
StartLimitIntervalSec=1h
StartLimitBurst=1
[Service]
ExecStart=
ExecStart=/bin/sh -c 'echo this kubelet dies on purpose >&2; exit 3'
END
systemctl daemon-reload
systemctl restart --no-block kubelet
"""
_MARK = "/var/lib/node-image-fork"
_TAG = "node-image-fork"
_REBOOT_S = 240.0


def _require_text(file: Path, words: str) -> None:
    if words.encode() not in file.read_bytes():
        raise NotYet("it is not there")


def test_two_forks_differ_in_what_they_write_and_the_shared_node_stays_as_it_is(
    applied_node: AppliedNode,
    forked_node: Callable[..., OwnNode],
    guest_deadline: Callable[[float], Deadline],
) -> None:
    nodes = (forked_node(), forked_node())
    for number, node in enumerate(nodes):
        node.session.run(f"echo {number} > {_MARK}; sync", guest_deadline(_ASK_S), check=True)

    found = [node.session.read_text(_MARK, guest_deadline(_ASK_S)).strip() for node in nodes]
    shared = applied_node.session.run(f"test -e {_MARK}", guest_deadline(_ASK_S))

    assert found == ["0", "1"]
    assert shared.status != 0
    assert len({node.machine.ssh_port for node in (*nodes, applied_node)}) == 3


def test_a_fork_has_the_hosts_time_and_random_numbers_of_its_own(
    forked_node: Callable[..., OwnNode], guest_deadline: Callable[[float], Deadline]
) -> None:
    ask = "date +%s; head -c 16 /dev/urandom | od -An -tx1"
    nodes = (forked_node(), forked_node())
    answers = [node.session.run(ask, guest_deadline(_ASK_S), check=True).stdout for node in nodes]
    times, numbers = zip(*(answer.strip().split("\n") for answer in answers), strict=True)

    assert abs(int(times[0]) - int(times[1])) < _ASK_S
    assert numbers[0] != numbers[1]


def test_a_fork_has_a_machine_id_of_its_own_if_asked_and_its_journal_goes_on(
    forked_node: Callable[..., OwnNode], guest_deadline: Callable[[float], Deadline]
) -> None:
    usual, node = forked_node(), forked_node(new_machine_id=True)
    journal = node.machine.port_files[JOURNAL_PORT]

    def ask(command: str, asked: OwnNode = node) -> str:
        return asked.session.run(command, guest_deadline(_ASK_S), check=True).stdout.strip()

    def log(word: str) -> str:
        """Return the entry of a word that the evidence has got."""
        ask(f"logger --tag {_TAG} {word}")
        wait_for(word, partial(_require_text, journal, word), guest_deadline(_ASK_S))
        return ask(f"journalctl --boot --identifier={_TAG} --lines=1 --output=json")

    new, former = ask("cat /etc/machine-id"), ask("cat /etc/machine-id", usual)
    before = log("before-restart")
    ask("systemctl restart systemd-journald")
    after = log("after-restart")

    assert re.fullmatch("[0-9a-f]{32}", new)
    assert new != former
    assert (former in before, new in after) == (True, True)
    assert ask("journalctl --boot --quiet --output=cat | head -n 1").startswith("Linux version")


@pytest.mark.nightly
@pytest.mark.destructive(at="login")
def test_a_fork_can_be_rebooted_into_another_boot_id(
    forked_node: Callable[..., OwnNode], guest_deadline: Callable[[float], Deadline]
) -> None:
    node = forked_node()
    session, old = node.session, node.session.boot_id(guest_deadline(_ASK_S))

    session.run("systemctl --no-block reboot", guest_deadline(_ASK_S))
    session.wait_for_reboot({old}, guest_deadline(_REBOOT_S))

    assert session.boot_id(guest_deadline(_ASK_S)) != old
    assert node.watch.boots >= 2


@pytest.mark.destructive
def test_a_destructive_test_breaks_its_own_node(
    applied_node: AppliedNode, guest_deadline: Callable[[float], Deadline]
) -> None:
    session = applied_node.session
    # A kubelet that runs makes the folder again.
    breaking = "systemctl stop kubelet && rm -rf /etc/kubernetes"
    session.run(breaking, guest_deadline(_ASK_S), check=True)

    assert session.run("test -e /etc/kubernetes", guest_deadline(_ASK_S)).status != 0


@pytest.mark.destructive
def test_a_kubelet_that_dies_fails_readiness_with_its_last_words(
    node_session: Session,
    reach: Callable[[Level], str],
    guest_deadline: Callable[[float], Deadline],
) -> None:
    unit_active = LEVELS[0]
    node_session.run(_DYING, guest_deadline(_ASK_S), check=True)

    with pytest.raises(ProductError) as caught:
        reach(unit_active)

    assert "dies on purpose" in str(caught.value)


def test_the_shared_node_has_not_noticed(
    applied_node: AppliedNode, guest_deadline: Callable[[float], Deadline]
) -> None:
    kept = applied_node.session.run("test -e /etc/kubernetes", guest_deadline(_ASK_S))

    assert kept.status == 0


@pytest.mark.destructive(at="login")
def test_a_fork_of_an_earlier_step_is_as_the_machine_was_then(
    applied_node: AppliedNode,
    forked_node: Callable[..., OwnNode],
    guest_deadline: Callable[[float], Deadline],
) -> None:
    if (scenario := applied_node.watch.record.scenario) in _NOT_BARE_AT_LOGIN:
        pytest.skip(f"{scenario} has no step login without the node layer")
    early = forked_node().session.run("command -v oc", guest_deadline(_ASK_S))
    late = applied_node.session.run("command -v oc", guest_deadline(_ASK_S))

    assert early.status != 0
    assert late.status == 0


def test_forks_end_with_their_test(node_image_rig: Rig) -> None:
    reserved = [path.name for path in (node_image_rig.run.folder / "memory").iterdir()]

    assert not [name for name in reserved if "fork" in name]
