"""Forks against cold boots of the same run: seconds and memory. Printed, never judged.

The machine is a bootimage with a login, so that a fork and a cold boot end at the same step; the
last test forks a whole node.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from time import monotonic

import pytest
from benchmarks.figures import Part, measuring
from benchmarks.host import private_mib
from benchmarks.scenario import LOGIN, NODE, SCENARIO

from harness.machine.domain.segment import Segment
from harness.machine.driver import Connection
from harness.machine.forking import device_state
from harness.machine.forking.key import origin_of
from harness.machine.forking.saved import SavedMachine, save, suspended
from harness.machine.machine import Machine
from harness.machine.ownership.processes import PROC, processes_naming
from harness.machine.ownership.run import Run
from harness.model.clock import Deadline
from harness.player.applied import AppliedNode, AppliedNodes, OwnNode
from harness.player.inputs import Inputs, Rig
from harness.player.player import play, play_to

ASK_S = 60.0
SAVES = 3
MOST_FORKS = 8
TESTS = 20
BREAK = "systemctl stop NetworkManager-dispatcher && rm -rf /etc/NetworkManager && sync"
BROKEN = "test ! -e /etc/NetworkManager"
NODE_FORKS = 4

Limit = Callable[[float], Deadline]


@dataclass
class Spent:
    """The seconds of each fork until it runs, and those of them that QEMU loaded the state."""

    starts: list[float] = field(default_factory=list)
    loads: list[float] = field(default_factory=list)

    def timing(self, rig: Rig) -> Rig:
        """Return a rig whose forks are timed."""

        @contextmanager
        def timed(
            connection: Connection, run: Run, saved: SavedMachine, name: str, deadline: Deadline,
            segment: Segment | None,
        ) -> Iterator[Machine]:  # fmt: skip
            began_s = monotonic()
            with rig.fork(connection, run, saved, name, deadline, segment) as machine:
                self.starts.append(monotonic() - began_s)
                yield machine

        return replace(rig, fork=timed)


@pytest.fixture
def spent(monkeypatch: pytest.MonkeyPatch) -> Spent:
    load, found = device_state.load, Spent()

    def timed(domain: object, path: Path, deadline: Deadline) -> None:
        began_s = monotonic()
        load(domain, path, deadline)  # type: ignore[arg-type]  # as it is called
        found.loads.append(monotonic() - began_s)

    monkeypatch.setattr(device_state, "load", timed)
    return found


def test_forks_of_a_login_are_measured(
    node_image_rig: Rig,
    node_image_inputs: Inputs,
    guest_deadline: Limit,
    spent: Spent,
    request: pytest.FixtureRequest,
) -> None:
    rig, limit, rounds = node_image_rig, guest_deadline, request.config.getoption("bench_rounds")
    with (
        measuring("forks", own=rig.run.folder, accelerator=rig.acceleration.kind.value) as part,
        template(spent.timing(rig), node_image_inputs) as (nodes, template_s),
    ):
        part.add("boot of the template, and its checkpoint", [template_s], "s")
        add_saves(part, nodes.only.machine, rig)
        cold = add_cold_and_forked(part, rig, node_image_inputs, nodes, limit, rounds)
        part.add("load of a checkpoint alone", spent.loads, "s")
        part.add("fork until it runs", spent.starts, "s", note="without login and command")
        add_memory(part, nodes)
        add_destructive_tests(part, nodes, limit, template_s, cold)

    assert all(figure.value > 0 for figure in part.figures)


def test_forks_of_a_node_are_measured(
    applied_node: AppliedNode,
    forked_node: Callable[..., OwnNode],
    guest_deadline: Limit,
    node_image_rig: Rig,
) -> None:
    rig = node_image_rig
    cold_s = next(
        phase.end_s - phase.begin_s
        for phase in applied_node.watch.record.phases
        if phase.name == "login" and phase.end_s is not None
    )
    kind = rig.acceleration.kind.value
    with measuring("forks of a node", own=rig.run.folder, accelerator=kind) as part:
        seconds, private, shared = [], [], []
        for _ in range(NODE_FORKS):
            began_s = monotonic()
            node = forked_node()
            node.session.run("true", guest_deadline(ASK_S), check=True, sudo=False)
            seconds.append(monotonic() - began_s)
            pss, dirty = memory_of(node.machine)
            private.append(dirty)
            shared.append(pss)
        part.add("cold boot of the shared node to login", [cold_s], "s")
        part.add("fork to the first answer", seconds, "s", note="the earlier ones still run")
        part.add("private dirty memory of each fork", private, "MiB")
        part.add("Pss of each fork at its first answer", shared, "MiB")

    assert all(figure.value > 0 for figure in part.figures)


@contextmanager
def template(rig: Rig, inputs: Inputs) -> Iterator[tuple[AppliedNodes, float]]:
    """Context manager that yields what forks, and the seconds until it could."""
    began_s = monotonic()
    checkpoints = replace(rig, checkpoints=frozenset({LOGIN}), until=None)
    with play(SCENARIO, checkpoints, inputs) as nodes:
        yield nodes, monotonic() - began_s


def add_saves(part: Part, machine: Machine, rig: Rig) -> None:
    origin = origin_of(
        machine.domain, ignition={}, images={}, step="bench", code="",
        deadline=Deadline.after(ASK_S),
    )  # fmt: skip
    seconds, sizes = [], []
    for number in range(SAVES):
        began_s = monotonic()
        with suspended([machine]):
            saved = save(
                machine, rig.run.scratch / f"bench-{number}", origin, Deadline.after(ASK_S)
            )
        seconds.append(monotonic() - began_s)
        sizes.append(
            sum(path.stat().st_blocks * 512 for path in saved.folder.iterdir()) / (1 << 20)
        )
        saved.drop()
    part.add("save of a checkpoint alone", seconds, "s")
    part.add("files of a checkpoint, without its disk", sizes, "MiB")


def add_cold_and_forked(
    part: Part, rig: Rig, inputs: Inputs, nodes: AppliedNodes, limit: Limit, rounds: int
) -> list[float]:
    """Add both, one after the other; return the seconds of a destructive test on each cold boot."""
    cold, forked = [], []
    for _ in range(rounds):
        cold.append(timed_cold(rig, inputs, limit))
        forked.append(timed_fork(nodes, limit))
    answers = [answer_s for answer_s, _ in cold]
    part.add("cold boot to the first answer", answers, "s")
    part.add("fork to the first answer", forked, "s")
    part.ratio("cold boot over fork", answers, forked, at_least=25)
    return [whole_s for _, whole_s in cold]


def timed_cold(rig: Rig, inputs: Inputs, limit: Limit) -> tuple[float, float]:
    """Return the seconds to the first answer, and those of a whole destructive test."""
    began_s = monotonic()
    with play_to(SCENARIO, rig, inputs, LOGIN) as own:
        own[NODE].session.run("true", limit(ASK_S), check=True, sudo=False)
        answer_s = monotonic() - began_s
        destroy(own[NODE], limit)
    return answer_s, monotonic() - began_s


def timed_fork(nodes: AppliedNodes, limit: Limit) -> float:
    began_s = monotonic()
    with nodes.forks.fork(LOGIN) as own:
        own[NODE].session.run("true", limit(ASK_S), check=True, sudo=False)
        return monotonic() - began_s


def add_memory(part: Part, nodes: AppliedNodes) -> None:
    """Add the memory of each fork while one, two, … eight of them run."""
    running: list[OwnNode] = []
    with ExitStack() as stack:
        for count in range(1, MOST_FORKS + 1):
            running.append(stack.enter_context(nodes.forks.fork(LOGIN))[NODE])
            found = [memory_of(each.machine) for each in running]
            part.add(f"private dirty memory of a fork, {count} running",
                     [dirty for _, dirty in found], "MiB")  # fmt: skip
            part.add(f"Pss of a fork, {count} running", [pss for pss, _ in found], "MiB")


def add_destructive_tests(
    part: Part, nodes: AppliedNodes, limit: Limit, template_s: float, cold: list[float]
) -> None:
    def in_a_fork(_: int) -> None:
        with nodes.forks.fork(LOGIN) as own:
            destroy(own[NODE], limit)

    cold_s = part.estimate(f"{TESTS} destructive tests, each on a cold boot", cold, TESTS, "s")
    for workers, title in ((1, "one after the other"), (2, "two at a time")):
        began_s = monotonic()
        with ThreadPoolExecutor(workers) as pool:
            list(pool.map(in_a_fork, range(TESTS)))
        spent_s = monotonic() - began_s + template_s
        part.add(f"{TESTS} destructive tests in forks, {title}", [spent_s], "s",
                 note="with the boot of the template")  # fmt: skip
        part.add(f"{TESTS} tests: each cold over forks, {title}", [cold_s / spent_s], "times",
                 at_least=10, note="the cold ones are extrapolated")  # fmt: skip


def destroy(node: OwnNode, limit: Limit) -> None:
    node.session.run(BREAK, limit(ASK_S), check=True)
    node.session.run(BROKEN, limit(ASK_S), check=True)


def memory_of(machine: Machine) -> tuple[float, float]:
    """Return Pss and private dirty memory in MiB of a machine's QEMU, found by its disk."""
    pids = processes_naming(machine.domain.disks[0].path.parent)
    found = [private_mib((PROC / str(pid) / "smaps_rollup").read_text()) for pid in pids]
    return sum(pss for pss, _ in found), sum(dirty for _, dirty in found)
