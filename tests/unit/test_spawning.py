"""What users write for nodes that they keep, without a process: steps, ports, paths, names."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from harness.cli import main
from harness.machine.ownership.locks import try_lock
from harness.model.errors import InputError
from harness.node.shell import LocalForward
from harness.player.given import Given
from harness.player.scenario import Scenario
from harness.scenarios.catalogue import Catalogue
from harness.spawning import copying, records
from harness.spawning.console import follow
from harness.spawning.messages import Ended, Up, received
from harness.spawning.owner import require_usable
from harness.spawning.records import Spawned, SpawnedNode, SpawnRun

NODE = SpawnedNode(
    name="ipi_node", machine="node", port=2222, key="/r/key", known_hosts="/r/known",
    console="/r/console",
)  # fmt: skip
SPAWNED = Spawned(
    name="ipi_node", scenario="ipi_node", step="login", begun="now", evidence="/e", nodes=(NODE,)
)
KEPT = (SpawnRun(folder=Path("/r"), spawned=SPAWNED),)


def steps_of(name: str) -> tuple[Scenario, Sequence[object]]:
    scenario = Catalogue().named(name)
    return scenario, scenario.checked_steps(Given())


@pytest.mark.parametrize("step", ["login", "applied", "node-layer"])
def test_a_step_after_a_login_can_be_used(step: str) -> None:
    scenario, steps = steps_of("ipi_node")

    require_usable(scenario, steps, step, "")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "step", "machine", "problem"),
    [
        ("ipi_node", "lgin", "", "'lgin' is not a step of the scenario ipi_node"),
        ("ipi_node", "switch-on", "", "the scenario ipi_node has not logged in at the step"),
        ("ipi_node", "applied", "other", "'other' is not a machine that is logged in to"),
        ("ipi_cluster", "applied", "bootstrap", "'bootstrap' is not a machine that is logged"),
    ],
)
def test_a_step_that_gives_no_shell_is_refused(
    name: str, step: str, machine: str, problem: str
) -> None:
    scenario, steps = steps_of(name)

    with pytest.raises(InputError, match=problem):
        require_usable(scenario, steps, step, machine)  # type: ignore[arg-type]


def test_ports_are_one_or_two_numbers() -> None:
    assert LocalForward.from_text("80") == LocalForward(here=80, there=80)
    assert LocalForward.from_text("8080:80").words == ("-L", "127.0.0.1:8080:127.0.0.1:80")


@pytest.mark.parametrize("text", ["", "0", "65536", "a", "1:", ":1", "1:2:3", "-1", " 1", "¹"])
def test_what_is_not_a_port_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="is not PORT or HERE:THERE"):
        LocalForward.from_text(text)


@pytest.mark.parametrize(
    ("source", "target", "paths"),
    [
        ("ipi_node:/etc/x", ".", ("core@127.0.0.1:/etc/x", "./.")),
        ("my file", "ipi_node:", ("./my file", "core@127.0.0.1:")),
        ("./a:b", "ipi_node:c", ("./a:b", "core@127.0.0.1:c")),
        ("/a:b", "ipi_node:c", ("/a:b", "core@127.0.0.1:c")),
        ("-r", "ipi_node:c:d", ("./-r", "core@127.0.0.1:c:d")),
    ],
)
def test_one_side_of_a_copy_is_in_a_node(source: str, target: str, paths: tuple[str, str]) -> None:
    words = copying.words(source, target, KEPT)

    assert words[0] == "scp"
    assert {"BatchMode=yes", "ConnectTimeout=60"} < set(words)
    assert words[-3:] == ("--", *paths)


@pytest.mark.parametrize(
    ("source", "target", "problem"),
    [
        ("a", "b", "neither is in a node"),
        ("ipi_node:a", "ipi_node:b", "both are in nodes"),
        ("nope:a", "b", "not a node that is up; there are: ipi_node"),
    ],
)
def test_a_copy_of_other_sides_is_refused(source: str, target: str, problem: str) -> None:
    with pytest.raises(InputError, match=problem):
        copying.words(source, target, KEPT)


@pytest.fixture
def alive(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """Make the folders of runs that are alive."""
    tmp_path.chmod(0o700)
    with ExitStack() as locks:

        def make(name: str) -> Path:
            run = tmp_path / name
            run.mkdir()
            taken = try_lock(run / "lock")
            assert taken is not None
            locks.enter_context(taken)
            return run

        yield make


def test_names_of_nodes_differ_between_runs(alive: Callable[[str], Path], tmp_path: Path) -> None:
    (tmp_path / "run-dead").mkdir()
    records.write(tmp_path / "run-dead", SPAWNED)

    names = []
    for number in range(3):
        run = alive(f"run-{number}")
        begun = records.begin(run, replace(SPAWNED, nodes=()))
        records.write(run, replace(begun, nodes=(replace(NODE, name=f"{begun.name}_a"),)))
        names.append(begun.name)

    assert names == ["ipi_node", "ipi_node-2", "ipi_node-3"]
    assert sorted(kept.spawned.name for kept in records.running(tmp_path)) == names


def test_a_run_of_pytest_is_not_a_node(alive: Callable[[str], Path], tmp_path: Path) -> None:
    alive("run-0")
    for name, text in (("run-1", b"{"), ("run-2", b'{"name": 1}')):
        (alive(name) / "spawned.json").write_bytes(text)

    assert records.running(tmp_path) == ()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("first\nsecond\n", ["first", "second"]),
        ("first\nlogin: ", ["first", "login: "]),
        (f"{'x' * 300_000}\nsecond\n", ["x" * 65_536, "second"]),
    ],
    ids=["lines", "prompt", "long"],
)
def test_console_is_shown_to_its_end(text: str, shown: list[str], tmp_path: Path) -> None:
    path = tmp_path / "console"
    seen: list[str] = []

    class Clock:
        def monotonic(self) -> float:
            return 0.0

        def sleep(self, seconds: float) -> None:
            if path.read_text() == text:
                path.unlink()
            else:
                path.write_text(text)

    path.write_text(text[:9])
    follow(
        SpawnedNode(name="n", machine="m", port=1, key="", known_hosts="", console=str(path)),
        seen.append, Clock(),
    )  # fmt: skip

    assert seen == shown


def test_messages_are_told_from_lines() -> None:
    assert received("a line") == "a line"
    assert received('\x1e{"type":"ended","error":"e"}') == Ended(error="e")
    assert isinstance(received("\x1e" + _up()), Up)


def _up() -> str:
    import msgspec

    return msgspec.json.encode(Up(SPAWNED)).decode()


@pytest.mark.parametrize(
    ("words", "status", "error"),
    [
        (["spawn", "fake", "true"], 2, "true: not an argument here. Write -- before a command."),
        (["spawn", "-L", "0"], 255, "--forward: '0' is not PORT or HERE:THERE"),
        (["spawn", "--detach", "-L", "80"], 255, "--detach: cannot be used with --forward."),
        (["spawn", "--detach", "--", "true"], 255, "--detach: cannot be used with COMMAND."),
        (["spawn", "--until", "login"], 2, "No such option"),
        (["nodes", "stop"], 255, "nodes stop: no node was named. Name nodes, or use --all."),
        (["nodes", "stop", "--all", "x"], 255, "nodes stop: names and --all together."),
        (["nodes", "login", "x"], 255, "node x: not a node that is up; there are: none."),
    ],
)
def test_wrong_usage_is_one_message(
    words: list[str], status: int, error: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", os.fspath(tmp_path))

    ended = CliRunner().invoke(main, words)

    assert ended.exit_code == status
    assert error in ended.output


def test_a_copy_without_scp_is_one_message(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", os.fspath(tmp_path))

    ended = CliRunner().invoke(main, ["nodes", "copy", "x:a", "."])

    assert ended.exit_code == 255
    assert "scp: not installed, needed to log in to nodes. Install OpenSSH's" in ended.output
