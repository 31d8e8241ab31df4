"""The count of what killed runs leave sees each kind of it, and kills are drawn as announced."""

from __future__ import annotations

import ctypes
import os
import re
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from killing import campaign
from killing.kill import Outcome
from killing.leftovers import Leftover, Place, all_left
from killing.moments import CONTROLLER, MOMENTS, OWNER, QEMU, REAPER, REGISTRY, WORKER, draw

_PRIVATE, _CREATE, _REMOVE = 0, 0o1600, 0
_SEED = 20261127


@pytest.fixture
def place(tmp_path: Path) -> Place:
    for name in ("tmp", "artifacts"):
        (tmp_path / name).mkdir()
    return Place(
        empty=(tmp_path / "tmp",), results=(tmp_path / "artifacts",),
        kept=re.compile(r"node-image-\d+(?:/gate|/ports(?:/\d+)?)?"),
    )  # fmt: skip


@contextmanager
def planted_process(_: Place) -> Iterator[str]:
    with subprocess.Popen(
        [sys.executable, "-c", "input()", "planted"], stdin=subprocess.PIPE
    ) as child:
        yield f"{child.pid} {sys.executable} -c input() planted"
        child.communicate(b"\n")


@contextmanager
def planted_port(_: Place) -> Iterator[str]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield f"tcp 127.0.0.1:{listener.getsockname()[1]}"


@contextmanager
def planted_udp_socket(_: Place) -> Iterator[str]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as bound:
        bound.bind(("127.0.0.1", 0))
        yield f"udp 127.0.0.1:{bound.getsockname()[1]}"


@contextmanager
def planted_unix_socket(_: Place) -> Iterator[str]:
    name = f"node-image-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"\0{name}")
        listener.listen()
        yield f"unix @{name}"


@contextmanager
def planted_shared_memory(_: Place) -> Iterator[str]:
    libc = ctypes.CDLL(None, use_errno=True)
    number = libc.shmget(_PRIVATE, 4096, _CREATE)
    assert number >= 0
    yield f"shm key 0 id {number}"
    libc.shmctl(number, _REMOVE, None)


@contextmanager
def planted_file(place: Place) -> Iterator[str]:
    path = place.empty[0] / "node-image-1-tmp-abc" / "archive"
    path.parent.mkdir()
    path.write_text("")
    yield str(path.parent)


@contextmanager
def planted_run(place: Place) -> Iterator[str]:
    path = place.empty[0] / "node-image-0" / "run-abc"
    path.mkdir(parents=True)
    yield str(path)


@contextmanager
def planted_temporary_result(place: Place) -> Iterator[str]:
    path = place.results[0] / "run-1" / ".report.json.0123abcd"
    path.parent.mkdir()
    path.write_text("")
    yield str(path)


@contextmanager
def planted_domain(place: Place) -> Iterator[str]:
    path = place.empty[0] / "node-image-0" / "run-abc" / "domains" / "uuid.json"
    path.parent.mkdir(parents=True)
    path.write_text("{}")
    yield str(path)


@pytest.mark.parametrize(
    ("kind", "plant"),
    [
        ("process", planted_process), ("port", planted_port), ("socket", planted_udp_socket),
        ("socket", planted_unix_socket), ("shared memory", planted_shared_memory),
        ("file", planted_file), ("file", planted_run), ("file", planted_temporary_result),
        ("domain", planted_domain),
    ],
)  # fmt: skip
def test_count_sees_what_is_planted_by_its_name(place: Place, kind: str, plant: object) -> None:
    assert callable(plant)
    with plant(place) as name:
        assert Leftover(kind=kind, name=name) in all_left(place, ())

    assert Leftover(kind=kind, name=name) not in {
        one for one in all_left(place, ()) if kind not in ("file", "domain")
    }


def test_count_sees_a_mount(place: Place, tmp_path: Path) -> None:
    proc = tmp_path / "proc"
    (proc / "self").mkdir(parents=True)
    line = "36 35 98:0 /mnt1 /mnt/node-image rw,noatime master:1 - ext3 /dev/root rw\n"
    (proc / "self" / "mountinfo").write_text(line)
    found = all_left(Place(empty=place.empty, proc=proc), ())

    assert found == {Leftover(kind="mount", name="/mnt/node-image")}


def test_locks_that_stay_are_not_counted_but_what_is_beside_them_is(place: Place) -> None:
    root = place.empty[0]
    ports = root / "node-image-0" / "ports"
    ports.mkdir(parents=True)
    for path in (root / "node-image-0" / "gate", ports / "20001", ports / "odd"):
        path.write_text("")

    files = {one.name for one in all_left(place, ()) if one.kind == "file"}

    assert files == {str(ports / "odd")}


def test_one_seed_gives_the_same_kills_and_another_one_others() -> None:
    assert draw(100, _SEED) == draw(100, _SEED)
    assert draw(100, _SEED) != draw(100, _SEED + 1)


def test_hundred_kills_hit_every_moment_by_its_weight_and_every_main_target() -> None:
    kills = draw(100, _SEED)
    moments = Counter(kill.moment.name for kill in kills)
    first = {kill.targets[0] for kill in kills}

    assert moments == {moment.name: moment.weight for moment in MOMENTS}
    assert {OWNER, CONTROLLER, WORKER, QEMU, REGISTRY, REAPER} <= first
    assert all(0 <= kill.delay_s <= kill.moment.spread_s for kill in kills)


@pytest.mark.parametrize("count", [1, 7, 33])
def test_as_many_kills_are_drawn_as_asked(count: int) -> None:
    assert len(draw(count, _SEED)) == count


@pytest.mark.parametrize(
    ("target", "left", "status"),
    [
        (OWNER, frozenset(), 0),
        ("", frozenset(), 1),
        (OWNER, frozenset({Leftover(kind="file", name="x")}), 1),
    ],
)
def test_campaign_is_red_after_a_leftover_or_a_miss(
    target: str, left: frozenset[Leftover], status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    outcome = Outcome(kill=draw(1, _SEED)[0], target=target, left=left)

    assert campaign.conclusion([outcome]) == status
    assert f"{len(left)} leftovers" in capsys.readouterr().out


def test_campaign_without_a_kill_is_red() -> None:
    assert campaign.conclusion([]) == 1
