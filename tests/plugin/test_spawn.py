"""Nodes that a user keeps: shells and commands in them, and their end, whatever ends the user's."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest
from spawned import Spawns, in_project
from throwaway import Project

WHILE_UP = "while grep -q up.fake log && ! grep -q down.fake log; do sleep 0.1; done"
pytest_plugins = ["pytester", "throwaway_fixtures"]


@pytest.fixture
def spawns(project: Project, monkeypatch: pytest.MonkeyPatch) -> Iterator[Spawns]:
    with in_project(project, monkeypatch) as found:
        yield found


def test_a_command_runs_in_the_node_which_ends_with_it(spawns: Spawns) -> None:
    ended = spawns.run("spawn", "fake", "--at", "login", *spawns.images, "--", "echo a; exit 7")

    assert (ended.returncode, ended.stdout) == (7, "a\n"), ended.stderr
    assert "fake: boots a machine to the step login (2 of 2), or goes on from" in ended.stderr
    assert "; 768 MiB of memory" in ended.stderr
    assert spawns.project.log == ["up fake", "down fake"]


def test_a_shell_reads_what_it_is_given_and_ends_well(spawns: Spawns) -> None:
    ended = spawns.run("spawn", "fake", *spawns.images, "-L", "8080:80", text="echo b; exit 3")

    assert (ended.returncode, ended.stdout) == (0, "b\n"), ended.stderr
    (words,) = spawns.ssh_log
    assert "-L 127.0.0.1:8080:127.0.0.1:80" in words
    assert "-T" in words.split()


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (("fake", "--at", "lgin"), "--at: 'lgin' is not a step of the scenario fake. Use one of: "),
        (("all",), "scenario all: every scenario, not one. Use one of: agent, "),
        (("nope",), "scenario nope: unknown scenario. Use one of: agent, "),
    ],
)
def test_what_the_project_does_not_have_is_one_error_before_anything_starts(
    spawns: Spawns, words: tuple[str, ...], error: str
) -> None:
    ended = spawns.run("spawn", *words, *spawns.images, "--", "true")

    assert ended.returncode == 255
    assert f"Error: {error}" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert spawns.project.log == []


def test_fresh_keeps_nothing_and_cannot_be_asked_to(spawns: Spawns) -> None:
    fresh = spawns.run("spawn", "fake", "--fresh", *spawns.images, "--", "true")
    both = spawns.run("spawn", "fake", "--fresh", "--checkpoints=keep", *spawns.images)

    assert fresh.returncode == 0, fresh.stderr
    assert "a kept checkpoint" not in fresh.stderr
    assert both.returncode == 255
    assert "Error: --fresh and --checkpoints: contradict each other" in both.stderr
    assert spawns.project.log == ["up fake", "down fake"]


def test_a_host_without_ssh_is_an_error_before_anything_starts(
    spawns: Spawns, monkeypatch: pytest.MonkeyPatch
) -> None:
    (spawns.base / "bin/ssh").unlink()
    monkeypatch.setenv("PATH", str(spawns.base / "bin"))

    ended = spawns.run("spawn", "fake", *spawns.images)

    assert ended.returncode == 255
    assert "Install OpenSSH's client: openssh-client on Debian" in ended.stderr
    assert spawns.project.log == []


def test_a_node_that_does_not_come_up_is_the_error_of_its_boot(spawns: Spawns) -> None:
    spawns.project.environment(FAULT="product")

    ended = spawns.run("spawn", "fake", *spawns.images, "--", "true")

    assert ended.returncode == 255
    assert "Error: the overlay was not applied" in ended.stderr


def test_options_of_the_projects_settings_count(spawns: Spawns) -> None:
    (spawns.project.folder / "pytest.ini").write_text(
        "[pytest]\nnode_image_bootimage = boot.raw\nnode_image_node_image = oci:image:latest\n"
        "node_image_scenario = fake\nfilterwarnings = error\naddopts = --strict-markers\n"
    )

    ended = spawns.run("spawn", "--memory-mib", "1024", "--expectations=table.toml", "--", "true")

    assert ended.returncode == 0, ended.stderr
    assert "1280 MiB of memory" in ended.stderr


def test_detached_nodes_are_listed_used_and_stopped(spawns: Spawns) -> None:
    (spawns.project.folder / "console").write_text("Linux version\n\x1b[1mbold\x1b[0m\n")
    begun = [spawns.run("spawn", "fake", "--detach", *spawns.images) for _ in range(2)]
    assert [each.returncode for each in begun] == [0, 0], begun[1].stderr

    listed = spawns.run("nodes", "list").stdout.splitlines()
    said = spawns.run("nodes", "login", "fake-2", "--", "echo", "two  words")
    unknown = spawns.run("nodes", "login", "fake-3", "--", "true")
    spawns.run("nodes", "copy", "fake:/etc/os-release", ".")
    stopped = spawns.run("nodes", "stop", "fake")
    left = spawns.run("nodes", "list").stdout
    everything = spawns.run("nodes", "stop", "--all")

    assert sorted(line.partition(",")[0] for line in listed) == [
        "fake-2: fake at applied", "fake: fake at applied",
    ]  # fmt: skip
    assert (said.returncode, said.stdout) == (0, "two  words\n")
    assert unknown.returncode == 255
    assert "node fake-3: not a node that is up; there are: fake, fake-2." in unknown.stderr
    assert spawns.ssh_log[-1].endswith("-r -- core@127.0.0.1:/etc/os-release ./.")
    assert (stopped.returncode, everything.returncode) == (0, 0)
    assert left.startswith("fake-2: ")
    assert left.count("\n") == 1
    assert sorted(spawns.project.log) == ["down fake", "down fake", "up fake", "up fake"]


def test_clean_leaves_detached_nodes_alone(spawns: Spawns) -> None:
    spawns.run("spawn", "fake", "--detach", *spawns.images)

    cleaned = spawns.run("clean").stdout
    listed = spawns.run("nodes", "list").stdout
    spawns.run("nodes", "stop", "--all")

    assert cleaned == "nothing to remove\n"
    assert listed.startswith("fake: fake at applied")


def test_a_node_that_comes_up_can_be_stopped(spawns: Spawns) -> None:
    spawns.project.environment(FAULT="hangs")
    with spawns.started("spawn", "fake", *spawns.images) as child:
        spawns.wait_for_line(child, "fake hangs")
        listed = spawns.run("nodes", "list").stdout
        stopped = spawns.run("nodes", "stop", "fake")
        said = child.communicate(timeout=240)[0]

    assert listed.startswith("fake: comes up to fake applied, since ")
    assert stopped.returncode == 0
    assert child.returncode == 255
    assert "Error: the nodes were stopped before they were up" in said


@pytest.mark.parametrize(
    ("number", "fault"),
    [
        (signal.SIGHUP, ""),
        (signal.SIGTERM, "hangs"),
        (signal.SIGKILL, ""),
        (signal.SIGKILL, "hangs"),
    ],
)
def test_nothing_outlives_a_command_that_is_killed(
    spawns: Spawns, number: signal.Signals, fault: str
) -> None:
    spawns.project.environment(FAULT=fault)
    with spawns.started("spawn", "fake", *spawns.images) as child:
        spawns.wait_for_line(child, "fake hangs" if fault else "log in with")
        child.send_signal(number)
        spawns.wait_until_gone()

    assert spawns.project.log == ["up fake", "down fake"]


def test_ctrl_c_ends_a_boot_with_its_status(spawns: Spawns) -> None:
    spawns.project.environment(FAULT="hangs")
    with spawns.started("spawn", "fake", *spawns.images) as child:
        spawns.wait_for_line(child, "fake comes up")
        child.send_signal(signal.SIGINT)
        child.communicate(timeout=240)

    assert child.returncode == 128 + signal.SIGINT
    assert not list(spawns.runs.glob("run-*"))


def test_a_killed_owner_is_an_error_and_leaves_nothing(spawns: Spawns) -> None:
    spawns.project.environment(FAULT="hangs")
    with spawns.started("spawn", "fake", *spawns.images) as child:
        spawns.wait_for_line(child, "fake comes up")
        os.kill(spawns.owner(), signal.SIGKILL)
        said = child.communicate(timeout=240)[0]

    assert child.returncode == 255
    assert "Error: nodes: the process that owns them was killed. " in said


def test_a_machine_that_stops_ends_the_node(spawns: Spawns) -> None:
    # As ssh does: the connection breaks with the machine.
    crash = f"echo QEMU ended > {spawns.project.folder}/stopped; {WHILE_UP}; exit 255"

    ended = spawns.run("spawn", "fake", *spawns.images, "--", crash)

    assert ended.returncode == 255
    assert "node of scenario fake: its machine stopped: QEMU ended" in ended.stderr


@pytest.mark.parametrize("is_up", [False, True])
def test_an_unexpected_error_of_the_owner_is_shown_and_ends_the_node(
    spawns: Spawns, is_up: bool
) -> None:
    breaking = f"mkdir {spawns.project.folder}/stopped; {WHILE_UP}"
    if not is_up:
        spawns.project.environment(FAULT="code")

    ended = spawns.run("spawn", "fake", *spawns.images, "--", breaking)

    assert ended.returncode == 255
    assert ("IsADirectoryError: " if is_up else "RuntimeError: a mistake") in ended.stderr
    assert "Error: nodes: an unexpected error ended them. Report " in ended.stderr
    assert "up fake" in spawns.project.log
