"""When a guest has shown that its sshd can be reached, so that one attempt to log in is enough."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from scenario_fakes import make_running

from harness.machine.spec import JOURNAL_PORT
from harness.player.playing.goals import has_shown_sshd
from harness.player.running import Running

LISTENS = ("sshd", "Server listening on 0.0.0.0 port 22.")
NETWORK = (
    "NetworkManager",
    "<info>  [1795789863.7326] policy: set 'Wired connection 1' (ens3) as default for IPv4 routing"
    " and DNS",
)


def say(running: Running, *lines: tuple[str, str], boot: str = "one") -> None:
    port = running.machine.port_files[JOURNAL_PORT]
    with port.open("a") as journal:
        for identifier, text in lines:
            entry = {
                "MESSAGE": text, "SYSLOG_IDENTIFIER": identifier, "_BOOT_ID": boot,
                "__MONOTONIC_TIMESTAMP": "40000000", "__CURSOR": f"{boot} {text}",
            }  # fmt: skip
            journal.write(json.dumps(entry) + "\n")
    running.watch.check_alive()


@pytest.mark.parametrize("order", [(LISTENS, NETWORK), (NETWORK, LISTENS)])
def test_sshd_that_listens_and_a_network_show_it(
    tmp_path: Path, order: tuple[tuple[str, str], ...]
) -> None:
    running, _ = make_running(tmp_path)

    say(running, order[0])
    half = has_shown_sshd(running)
    say(running, order[1])

    assert (half, has_shown_sshd(running)) == (False, True)


@pytest.mark.parametrize(
    "other",
    [
        ("sudo", "core : COMMAND=echo Server listening on 0.0.0.0 port 22."),
        ("sshd", "Received signal 15; terminating."),
        ("podman", "Server listening on 0.0.0.0 port 22."),
    ],
)
def test_other_lines_do_not_show_it(tmp_path: Path, other: tuple[str, str]) -> None:
    running, _ = make_running(tmp_path)

    say(running, NETWORK, other)

    assert not has_shown_sshd(running)


def test_sshd_of_the_boot_before_a_reboot_does_not_count(tmp_path: Path) -> None:
    running, _ = make_running(tmp_path)
    say(running, LISTENS, NETWORK)

    running.boot += 1
    before = has_shown_sshd(running)
    say(running, LISTENS, NETWORK, boot="two")

    assert (before, has_shown_sshd(running)) == (False, True)
