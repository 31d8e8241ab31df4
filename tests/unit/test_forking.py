"""The checkpoints of a play, and the forks of its machines."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playing import ANSWERS, Guest, Host
from recordings import recordings_of
from test_plays import inputs_for, scenario

from harness.machine.driver import POWERED_OFF
from harness.model.clock import Deadline
from harness.model.errors import DeadlineError, InputError, ProductError, RigError
from harness.node.ssh import Result
from harness.player.applied import APPLIED, AppliedNodes, CannotForkError
from harness.player.player import play, play_to

BOOTSTRAP = scenario("ipi_bootstrap")
EACH = ("ipi_bootstrap", "ipi_node", "sno", "ipi_cluster", "assisted")


class Remembering(Guest):
    """Answers, and remembers what it was asked."""

    def __init__(self) -> None:
        super().__init__(ANSWERS)
        self.asked: list[str] = []

    def run(
        self, command: str, deadline: Deadline, *, check: bool = False, sudo: bool = True
    ) -> Result:
        self.asked.append(command)
        return super().run(command, deadline, check=check, sudo=sudo)


@pytest.fixture(autouse=True)
def _without_validator(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/bin")


@contextmanager
def played(
    folder: Path, *checkpoints: str, name: str = "ipi_bootstrap", guest: Guest | None = None
) -> Iterator[tuple[Host, AppliedNodes]]:
    host = Host(folder, recordings_of(name), guest=guest)
    host.checkpoints = frozenset(checkpoints)
    with play(scenario(name), host.rig, inputs_for(name, folder)) as nodes:
        yield host, nodes


def reported(host: Host) -> str:
    return "\n".join(line for _, line in host.lines)


def test_no_machine_is_a_template_unless_a_test_wants_forks(tmp_path: Path) -> None:
    with played(tmp_path) as (host, nodes):
        assert not any(spec.is_template for spec in host.specs.values())
        assert "checkpoint" not in reported(host)
        with (
            pytest.raises(InputError, match=r"no checkpoint was made at 'login'; there are: none"),
            nodes.forks.fork("login"),
        ):
            pass


@pytest.mark.parametrize("name", EACH)
def test_all_machines_of_a_scenario_fork_together(tmp_path: Path, name: str) -> None:
    with played(tmp_path, APPLIED, name=name) as (host, nodes):
        machines = {plan.name for plan in scenario(name).machines}
        with nodes.forks.fork(APPLIED) as own:
            assert own.keys() == machines
            for judged in scenario(name).judged:
                node = own[judged].require_applied()
                assert node.machine is not nodes[judged].machine
                assert node.before == nodes[judged].before
                assert node.watch.record.checkpoint == f"{name} applied"
                assert node.watch.boots == nodes[judged].watch.boots
        assert len(host.ended_forks) == len(machines)


def test_machines_are_saved_at_the_steps_that_tests_want(tmp_path: Path) -> None:
    with played(tmp_path, "login", APPLIED) as (host, nodes):
        with nodes.forks.fork("login") as early, nodes.forks.fork(APPLIED) as late:
            with pytest.raises(InputError, match="not a judged node at the scenario's end"):
                early["node"].require_applied()
            assert late["node"].require_applied()
            assert early["node"].session
        saved = [fork.folder for fork in host.forks]
        assert all(path.exists() for path in saved)

    assert not any(path.exists() for path in saved)


def test_a_login_has_its_session_before_a_checkpoint_is_saved(tmp_path: Path) -> None:
    guest = Remembering()
    with played(tmp_path, "login", guest=guest) as (host, _):
        (saved,) = (at_s for at_s, line in host.lines if "checkpoint login saved" in line)

    assert guest.asked[0] == "true"
    assert saved <= host.step_began_s(3)


def test_a_checkpoint_is_not_made_if_the_session_of_a_login_does_not_come(tmp_path: Path) -> None:
    late = DeadlineError("true", 60.0, "still running in the guest")
    with played(tmp_path, "login", guest=Guest({**ANSWERS, "true": late})) as (host, nodes):
        with pytest.raises(CannotForkError, match="still running"), nodes.forks.fork("login"):
            pass
        assert "no checkpoint login, so that its tests boot machines cold" in reported(host)


def test_a_fork_gets_the_hosts_time_and_random_bytes_before_its_test(tmp_path: Path) -> None:
    guest = Remembering()
    with played(tmp_path, APPLIED, guest=guest) as (_, nodes):
        guest.asked.clear()
        with nodes.forks.fork(APPLIED), nodes.forks.fork(APPLIED):
            first, second = guest.asked

    assert first.startswith("date --utc --set=@")
    assert first.endswith("| base64 -d >/dev/urandom")
    assert first != second


def test_evidence_of_a_fork_names_its_checkpoint(tmp_path: Path) -> None:
    with played(tmp_path, APPLIED) as (_, nodes), nodes.forks.fork(APPLIED) as own:
        own["node"].machine.console.write_text("after the checkpoint\n")

    folder = tmp_path / "evidence/ipi_bootstrap-fork"
    record = json.loads((folder / "machine.json").read_text())
    assert record["checkpoint"] == "ipi_bootstrap applied"
    assert record["scenario"] == "ipi_bootstrap"
    assert [phase["name"] for phase in record["phases"]] == ["fork"]
    assert "after the checkpoint" in (folder / "console.txt").read_text()


def test_a_fork_that_stops_is_an_error_of_its_test_alone(tmp_path: Path) -> None:
    with played(tmp_path, APPLIED) as (_, nodes), nodes.forks.fork(APPLIED) as own:
        running = own["node"].machine.running
        running.reason = POWERED_OFF  # type: ignore[attr-defined]  # a fake
        with pytest.raises(ProductError, match="its machine stopped: the guest powered off"):
            own["node"].watch.check_alive()
        running.reason = "QEMU ended by itself"  # type: ignore[attr-defined]
        with pytest.raises(RigError, match="its machine stopped: QEMU ended by itself"):
            own["node"].watch.check_alive()
        nodes.only.watch.check_alive()


def test_a_checkpoint_that_does_not_load_is_dropped_with_one_line(tmp_path: Path) -> None:
    with played(tmp_path, APPLIED) as (host, nodes):
        host.fork_problem = "does not load"
        for _ in range(2):
            with pytest.raises(CannotForkError), nodes.forks.fork(APPLIED):
                pass

        assert len(host.forks) == 1
        assert not host.forks[0].folder.exists()
        line = "no checkpoint applied, so that its tests boot machines cold: does not load"
        assert reported(host).count(line) == 1


def test_a_checkpoint_whose_memory_was_changed_is_not_used(tmp_path: Path) -> None:
    with played(tmp_path, APPLIED) as (host, nodes):
        (memory,) = tmp_path.rglob("ram")
        memory.write_bytes(b"?")

        with (
            pytest.raises(CannotForkError, match="the file ram has changed"),
            nodes.forks.fork(APPLIED),
        ):
            pass
        assert host.forks == []


def test_a_scenario_plays_on_if_its_checkpoint_cannot_be_made(tmp_path: Path) -> None:
    host = Host(tmp_path, recordings_of("ipi_bootstrap"))
    host.checkpoints = frozenset({"login", APPLIED})
    host.migration = "failed"
    with play(BOOTSTRAP, host.rig, inputs_for("ipi_bootstrap", tmp_path)) as nodes:
        assert nodes.only
        with pytest.raises(CannotForkError, match="failed"), nodes.forks.fork(APPLIED):
            pass

    assert reported(host).count("boot machines cold") == 2


def test_a_cold_machine_of_a_tests_own_is_at_the_same_step(tmp_path: Path) -> None:
    host = Host(tmp_path, recordings_of("ipi_bootstrap"))
    with play_to(BOOTSTRAP, host.rig, inputs_for("ipi_bootstrap", tmp_path), "login") as own:
        assert own["node"].session
        assert not own["node"].is_forked
    assert "step 3 of" not in reported(host)


def test_a_step_that_a_scenario_does_not_have_is_refused(tmp_path: Path) -> None:
    host = Host(tmp_path, recordings_of("ipi_bootstrap"))
    with (
        pytest.raises(InputError, match=r"destructive\(at=...\): 'lgoin' is not a step"),
        play_to(BOOTSTRAP, host.rig, inputs_for("ipi_bootstrap", tmp_path), "lgoin"),
    ):
        pass
