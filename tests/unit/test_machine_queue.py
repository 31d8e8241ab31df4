"""Runs wait for memory in order, also real processes that are killed while they have or want it."""

from __future__ import annotations

import select
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest
from machine_fakes import FakeClock, make_run

from harness.machine.ownership.locks import lock
from harness.machine.ownership.memory import MIB, MemoryShortageError
from harness.machine.ownership.queue import Memory
from harness.machine.ownership.tokens import Token
from harness.model.clock import Deadline, NotYet, wait_for

TOTAL_MIB = 4096
_SILENCE_S = 120.0
FILES = {
    "proc/meminfo": f"MemTotal: {TOTAL_MIB << 10} kB\nMemAvailable: {TOTAL_MIB << 10} kB\n",
    "proc/self/cgroup": "0::/\n",
}
# Paths come by standard input: a process that names a run's folder counts as using its memory.
OWNER = """
import sys
from pathlib import Path
from harness.machine.ownership.locks import lock
from harness.machine.ownership.memory import MemoryShortageError
from harness.machine.ownership.queue import Memory
from harness.machine.ownership.tokens import Token
from harness.model.clock import Deadline, NotYet, wait_for

def line():
    return sys.stdin.readline().strip()

def say(text):
    print(text, flush=True)

run, root = Path(line()), Path(line())
run.mkdir()
held = lock(run / "lock", Deadline.after(10))
memory = Memory(run, root)

def reserve(depth):
    # "MIB": reserve so much; "": release it
    while (asked := line()):
        try:
            with memory.reserve(f"machine-{depth}", int(asked)):
                say("has")
                reserve(depth + 1)
            say("released")
        except MemoryShortageError as exc:
            say(f"refused {exc}")

reserve(0)
"""


class Owner:
    """A process with a run of its own."""

    def __init__(self, runs: Path, root: Path, number: int) -> None:
        self.run = runs / f"run-{number:06}"
        self.process = subprocess.Popen(
            [sys.executable, "-c", OWNER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
        )
        self.send(str(self.run))
        self.send(str(root))

    def send(self, text: object) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{text}\n".encode())

    def hears(self) -> str:
        assert self.process.stdout is not None
        ready, _, _ = select.select([self.process.stdout], [], [], _SILENCE_S)
        assert ready, "it says nothing"
        return self.process.stdout.readline().decode().strip()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def tokens(self) -> list[str]:
        """Return the states of its tokens."""
        texts = (path.read_text() for path in sorted(self.run.glob("memory/*")))
        return [text.split()[0] for text in texts if text]  # empty while it is written

    def waits(self) -> None:
        """Return when it is in the queue."""

        def look() -> None:
            if self.process.poll() is not None:
                raise ChildProcessError("it ended")
            if "waiting" not in self.tokens():
                raise NotYet(f"has {self.tokens()}")

        wait_for("the queue", look, Deadline.after(300), tick_s=0.05)


Start = Callable[[], Owner]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        (tmp_path / "root" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "root" / name).write_text(text)
    return tmp_path / "root"


@pytest.fixture
def start(tmp_path: Path, root: Path) -> Iterator[Start]:
    (tmp_path / "runs").mkdir()
    owners: list[Owner] = []

    def begin() -> Owner:
        owners.append(Owner(tmp_path / "runs", root, len(owners)))
        return owners[-1]

    yield begin
    for owner in owners:
        owner.kill()
        owner.process.communicate()


def test_killed_owner_frees_what_it_has(start: Start) -> None:
    first, second = start(), start()
    first.send(3000)
    assert first.hears() == "has"
    second.send(2000)
    second.waits()

    first.kill()

    assert second.hears() == "has"


def test_killed_waiter_is_not_waited_for(start: Start) -> None:
    first, second, third = start(), start(), start()
    first.send(3000)
    assert first.hears() == "has"
    second.send(4000)
    second.waits()
    third.send(1000)
    third.waits()

    second.kill()

    assert third.hears() == "has"


def test_who_wants_most_is_not_passed_by(start: Start) -> None:
    first, big, small = start(), start(), start()
    first.send(1000)
    assert first.hears() == "has"
    big.send(4000)
    big.waits()
    small.send(500)
    small.waits()

    first.send("")

    assert big.hears() == "has"
    assert small.tokens() == ["waiting"]
    big.send("")
    assert small.hears() == "has"


def test_who_has_memory_gets_more_before_those_who_have_none(start: Start) -> None:
    first, second, third = start(), start(), start()
    first.send(1500)
    assert first.hears() == "has"
    second.send(1500)
    assert second.hears() == "has"
    third.send(1500)
    third.waits()
    first.send(2000)
    first.waits()

    second.send("")

    assert first.hears() == "has"
    assert third.tokens() == ["waiting"]


def test_more_than_there_is_is_refused_at_once_in_a_full_host(start: Start) -> None:
    first, second = start(), start()
    first.send(4000)
    assert first.hears() == "has"

    second.send(5000)

    assert second.hears() == (
        "refused memory for machine-0: 5000 MiB needed, 4096 MiB is all that there is: host "
        "available 4096 MiB, cgroup limit none, reserved by running machines and not yet used "
        "0 MiB. Use a lower --memory-mib, run fewer machines at once, or give this host more "
        "memory."
    )
    first.send(1000)
    assert "is all that there is besides the 4000 that this run has" in first.hears()


def test_many_that_are_killed_at_random_leave_the_memory_to_the_others(start: Start) -> None:
    random = Random(4)  # noqa: S311 - draws no secret
    owners = [start() for _ in range(8)]
    for owner in owners:
        owner.send(random.choice((1500, 2500, 4000)))
    left = [*owners]

    def one_has() -> Owner:
        having = [owner for owner in left if owner.tokens() == ["reserved"]]
        assert sum(_mib(owner) for owner in having) <= TOTAL_MIB
        if not having:
            raise NotYet("none has memory")
        return random.choice(having)

    while left:
        owner = wait_for("memory", one_has, Deadline.after(300), tick_s=0.05)
        if random.random() < 0.5:
            owner.kill()
        else:
            owner.send("")
            assert [owner.hears(), owner.hears()] == ["has", "released"]
        left.remove(owner)


def _mib(owner: Owner) -> int:
    return sum(int(path.read_text().split()[1]) for path in owner.run.glob("memory/*"))


class Host:
    """Runs in this process, each alive while its block lasts; time passes only by sleeping."""

    def __init__(self, folder: Path, root: Path) -> None:
        self._folder = folder
        self._root = root
        self.clock = FakeClock()
        self.reported: list[str] = []

    @contextmanager
    def run(self, number: int) -> Iterator[Memory]:
        folder = make_run(self._folder, f"run-{number:06}").folder
        with lock(folder / "lock", Deadline.after(5)):
            memory = Memory(folder, self._root, self.clock)
            memory.awaiting = self._awaiting
            yield memory

    @contextmanager
    def _awaiting(self, what: Callable[[], str]) -> Iterator[None]:
        try:
            yield
        finally:
            self.reported.append(what())


@pytest.fixture
def host(tmp_path: Path, root: Path) -> Host:
    return Host(tmp_path / "runs", root)


def taken(held: ExitStack, reserved: AbstractContextManager[None]) -> None:
    held.enter_context(reserved)


def test_full_host_without_runs_is_refused_after_a_while(host: Host, root: Path) -> None:
    (root / "proc/meminfo").write_text("MemTotal: 4194304 kB\nMemAvailable: 1048576 kB\n")

    with host.run(1) as memory, pytest.raises(MemoryShortageError) as caught:
        taken(ExitStack(), memory.reserve("sno", 2048))

    assert 30 <= host.clock.now < 32
    assert "memory for sno: 2048 MiB needed, 1024 MiB available: host" in str(caught.value)
    assert caught.value.wanted_mib == 2048
    assert host.reported == ["sno: waiting for 2048 MiB of memory; 1024 MiB are available"]


def test_memory_that_comes_back_meanwhile_is_taken(host: Host, root: Path) -> None:
    full = "MemTotal: 4194304 kB\nMemAvailable: 1048576 kB\n"
    (root / "proc/meminfo").write_text(full)

    def sleep(seconds: float) -> None:
        host.clock.now += seconds
        if host.clock.now > 20:
            (root / "proc/meminfo").write_text(FILES["proc/meminfo"])

    host.clock.sleep = sleep  # type: ignore[method-assign]
    with host.run(1) as memory, memory.reserve("sno", 2048):
        assert 20 < host.clock.now < 30


def test_wait_says_for_what_and_for_whom(host: Host) -> None:
    with host.run(1) as first, host.run(2) as second, ExitStack() as held:
        taken(held, first.reserve("ipi_bootstrap", 3000))
        waited: list[float] = []

        def sleep(seconds: float) -> None:
            host.clock.now += seconds
            waited.append(seconds)
            if host.clock.now > 100:
                held.close()

        host.clock.sleep = sleep  # type: ignore[method-assign]
        with second.reserve("sno", 2048):
            assert len(waited) > 100

    assert host.reported == [
        "sno: waiting for 2048 MiB of memory; 1096 MiB are available, and ipi_bootstrap of "
        "run-000001 (3000 MiB) will end"
    ]


def test_run_that_waits_for_itself_is_refused(host: Host) -> None:
    with host.run(1) as memory, memory.reserve("one", 2000):
        (host._root / "proc/meminfo").write_text("MemTotal: 4194304 kB\nMemAvailable: 9 kB\n")
        with pytest.raises(MemoryShortageError):
            taken(ExitStack(), memory.reserve("two", 1000))


@pytest.mark.parametrize("is_last", [True, False])
def test_of_runs_that_wait_for_each_other_the_last_gives_up(host: Host, is_last: bool) -> None:
    with host.run(1) as first, host.run(2) as second, ExitStack() as held:
        taken(held, first.reserve("ipi", 2000))
        taken(held, second.reserve("sno", 2000))
        waiting = Token(run=first._run, number=3, mib=1000, name="fork", is_waiting=True)
        if is_last:
            waiting.write()

        def sleep(seconds: float) -> None:
            host.clock.now += seconds
            if not is_last:
                replace(waiting, number=50).write()
            if host.clock.now > 100:
                held.close()

        host.clock.sleep = sleep  # type: ignore[method-assign]
        with raises_if(is_last), second.reserve("sno-fork", 1000):
            pass

    assert (host.clock.now < 32) == is_last


def raises_if(is_refused: bool) -> AbstractContextManager[object]:
    return pytest.raises(MemoryShortageError) if is_refused else nullcontext()


def test_what_is_reserved_ahead_is_not_waited_for_again(host: Host) -> None:
    with host.run(1) as first, host.run(2) as second, first.ahead("two_fakes", 3000, 500):
        with first.reserve("node-0", 1500), first.reserve("node-1", 1500):
            with first.reserve("node-0-fork", 500):
                assert host.clock.now == 0
            with second.reserve("small", 500):
                pass
        with first.reserve("node-0", 3500):
            pass
    assert host.reported == []


def test_wish_is_not_insisted_on_where_nobody_else_has_memory(host: Host) -> None:
    with host.run(1) as memory, memory.ahead("sno", 4000, 1000):
        with memory.reserve("sno", 4000):
            pass
        assert host.clock.now == 0


def test_wish_is_waited_for_while_others_have_memory(host: Host) -> None:
    with host.run(1) as first, host.run(2) as second, ExitStack() as held:
        taken(held, first.reserve("ipi", 1000))

        def sleep(seconds: float) -> None:
            host.clock.now += seconds
            if host.clock.now > 50:
                held.close()

        host.clock.sleep = sleep  # type: ignore[method-assign]
        with second.ahead("sno", 3000, 1000), second.reserve("sno-fork", 1000):
            assert host.clock.now > 50


def test_nothing_is_left_in_the_queue(host: Host) -> None:
    with host.run(1) as memory:
        with pytest.raises(MemoryShortageError):
            taken(ExitStack(), memory.reserve("giant", 99_999))
        with memory.reserve("sno", 1):
            pass
        assert not [*memory._run.glob("memory/*")]


def test_tokens_of_dead_runs_do_not_count(host: Host) -> None:
    with host.run(1) as memory, ExitStack() as killed:
        taken(killed, memory.reserve("sno", 4000))
        token = next(memory._run.glob("memory/*"))
        text = token.read_text()
    token.write_text(text)

    with host.run(2) as other, other.reserve("sno", TOTAL_MIB * MIB // MIB):
        assert host.clock.now == 0


@pytest.mark.parametrize(
    ("name", "text"), [("000001", ""), ("000001", "reserved x sno"), ("sno", "reserved 1 sno")]
)
def test_token_of_another_version_is_passed_over(host: Host, name: str, text: str) -> None:
    with host.run(1) as other:
        (other._run / "memory").mkdir()
        (other._run / "memory" / name).write_text(text)

        with host.run(2) as memory, memory.reserve("sno", 1):
            assert host.clock.now == 0
