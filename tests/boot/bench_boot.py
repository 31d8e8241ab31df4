"""A cold boot to login and to the first command's answer: ours, bare QEMU, labgrid: `tox -e bench`.

Each round boots all of them once, one after the other, with the same image, Ignition config,
processor and memory. Printed, never judged.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic

import pytest
from benchmarks import bare, peer
from benchmarks.bare import Answered, Own
from benchmarks.figures import Part, measuring
from benchmarks.host import qemu_cpu_s, qemu_of
from benchmarks.scenario import LOGIN, NODE, SCENARIO

from harness.machine.disk import create_overlay
from harness.machine.ownership.ports import reserve_port
from harness.model.clock import Deadline
from harness.player.applied import OwnNode
from harness.player.inputs import Inputs, Rig
from harness.player.plan import BOOTIMAGE
from harness.player.player import play_to

LIMIT_S = 300.0
ASK_S = 60.0
LATER = 3
ANSWER = "to the first answer"
MEASURES: dict[str, Callable[[Answered], float]] = {
    "to login": lambda one: one.login_s,
    ANSWER: lambda one: one.answer_s,
    "QEMU's CPU to the first answer": lambda one: one.cpu_s,
}
OURS, BARE, PLAIN, LABGRID = "ours", "bare QEMU", "bare QEMU without our streams", "labgrid"


@dataclass(frozen=True, slots=True, kw_only=True)
class Same:
    """What all boots of a round share: a machine's command line, its config, and its key."""

    words: list[str]
    ignition: str
    client_key: str

    @classmethod
    def of(cls, node: OwnNode) -> Same:
        domain = node.machine.domain
        assert domain.ignition is not None
        return cls(
            words=bare.words_of(qemu_of(disk_folder_of(node))),
            ignition=domain.ignition.read_text(),
            client_key=node.session.endpoint.client_key.reveal(),
        )  # fmt: skip


def test_boot_is_measured(
    node_image_rig: Rig,
    node_image_inputs: Inputs,
    guest_deadline: Callable[[float], Deadline],
    request: pytest.FixtureRequest,
) -> None:
    rig, answers, later = node_image_rig, dict[str, list[Answered]](), dict[str, list[float]]()
    kind = rig.acceleration.kind.value
    with measuring("boot", own=rig.run.folder, accelerator=kind) as part:
        try:
            for _ in range(request.config.getoption("bench_rounds")):
                for name, found in one_round(rig, node_image_inputs, guest_deadline, later):
                    answers.setdefault(name, []).append(found)
                    rig.report(
                        f"{name}: login {found.login_s:.1f} s, answer {found.answer_s:.1f} s"
                    )
        finally:
            add_figures(part, answers)
            for name, seconds in later.items():
                part.add(name, seconds, "s")

    assert all(0 < one.login_s <= one.answer_s for each in answers.values() for one in each)


def one_round(
    rig: Rig,
    inputs: Inputs,
    guest_deadline: Callable[[float], Deadline],
    later: dict[str, list[float]],
) -> Iterator[tuple[str, Answered]]:
    began_s = monotonic()
    with play_to(SCENARIO, rig, inputs, LOGIN) as nodes:
        session = nodes[NODE].session
        login_s = monotonic() - began_s
        session.run("true", guest_deadline(ASK_S), check=True, sudo=False)
        answer_s, folder = monotonic() - began_s, disk_folder_of(nodes[NODE])
        yield OURS, Answered(login_s=login_s, answer_s=answer_s, cpu_s=qemu_cpu_s(folder))
        time_later_commands(later, nodes[NODE], guest_deadline)
        same = Same.of(nodes[NODE])
    for name, with_ports in ((BARE, True), (PLAIN, False)):
        began_s = monotonic()
        with own_machine(rig, inputs, same) as (own, key):
            words = bare.bare_words(same.words, own, with_ports=with_ports)
            with bare.running(words, own.folder):
                limit = guest_deadline(LIMIT_S)
                yield name, bare.wait_for_answer(own, key, began_s, limit)
    if peer.is_installed():
        with own_machine(rig, inputs, same) as (own, key):
            environment = own.folder / "labgrid.yaml"
            environment.write_text(peer.environment(same.words, own, key))
            yield LABGRID, peer.ask(environment, guest_deadline(LIMIT_S))


def time_later_commands(
    later: dict[str, list[float]], node: OwnNode, guest_deadline: Callable[[float], Deadline]
) -> None:
    """Add what commands cost when the session of the first one exists."""
    for _ in range(LATER):
        for name, as_root in (("a later command", False), ("a later command by sudo", True)):
            began_s = monotonic()
            node.session.run("true", guest_deadline(ASK_S), check=True, sudo=as_root)
            later.setdefault(name, []).append(monotonic() - began_s)


def add_figures(part: Part, answers: dict[str, list[Answered]]) -> None:
    for title, of in MEASURES.items():
        found = {name: [of(one) for one in each] for name, each in answers.items()}
        for name, seconds in found.items():
            part.add(f"{title}: {name}", seconds, "s")
        for name, seconds in found.items():
            if name != OURS:
                aim = 1.03 if (title, name) == (ANSWER, BARE) else None
                # A round that failed has the earlier machines alone.
                ours = found[OURS][: len(seconds)]
                part.ratio(f"{title}: ours over {name}", ours, seconds, at_most=aim)
    if LABGRID not in answers:
        part.note = "labgrid was not measured: it is not installed, or failed"


def disk_folder_of(node: OwnNode) -> Path:
    return node.machine.domain.disks[0].path.parent


@contextmanager
def own_machine(rig: Rig, inputs: Inputs, same: Same) -> Iterator[tuple[Own, Path]]:
    """Context manager that yields the files and the port of another machine, and its key."""
    disk = inputs.images.disk(BOOTIMAGE)
    with TemporaryDirectory(dir=rig.run.scratch) as place, reserve_port(rig.run.port_locks) as port:
        folder = Path(place)
        files = {"config.ign": same.ignition, "key": same.client_key}
        for name, text in files.items():
            (folder / name).touch(mode=0o600)
            (folder / name).write_text(text)
        overlay = create_overlay(
            disk.path, disk.format.value, folder, deadline=Deadline.after(ASK_S)
        )
        yield (
            Own(folder=folder, disk=overlay, ignition=folder / "config.ign", port=port),
            folder / "key",
        )
