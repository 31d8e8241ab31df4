"""One kill: start a run, kill one of its processes at the moment, let all settle, and count."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from killing.leftovers import Leftover, all_left, own_processes, processes_left
from killing.moments import (
    CONTROLLER,
    NBD,
    OWNER,
    QEMU,
    REAPER,
    REGISTRY,
    SKOPEO,
    SMALL,
    TPM,
    WORKER,
    Kill,
)
from killing.room import ROOT, Room

_PROC = Path("/proc")
_TICK_S, _COUNT_TICK_S = 0.01, 0.2
_REACH_S = 900.0
_SETTLE_S = 8.0
_GONE_S = 40.0
_RUN_NAMES = (OWNER, CONTROLLER)
_TESTS = ("tests/boot/test_forks.py", "tests/boot/test_node_image.py")
_SIGNS = {
    QEMU: re.compile(rb"[^\0]*qemu-system-"),
    REGISTRY: re.compile(rb"[^\0]*(?:docker-)?(?:registry|distribution)\0serve\0"),
    REAPER: re.compile(rb"[^\0]*python.*\0harness\.machine\.ownership\.reaper\0", re.DOTALL),
    NBD: re.compile(rb"[^\0]*qemu-nbd\0"),
    TPM: re.compile(rb"[^\0]*swtpm\0"),
    SKOPEO: re.compile(rb"[^\0]*skopeo\0"),
    WORKER: re.compile(rb"[^\0]*python[^\0]*\0(?:-[^\0]*\0)*-c\0import sys;exec\("),
}


@dataclass(kw_only=True)
class Outcome:
    """What became of one kill; without a `target` none was killed, and `note` says why."""

    kill: Kill
    target: str = ""
    note: str = ""
    seconds: float = 0.0
    swept: frozenset[Leftover] = frozenset()
    """What the run's own clean-up left to the sweep of the next one."""
    left: frozenset[Leftover] = frozenset()
    output: str = ""


@dataclass
class _Output:
    """What a run has printed so far."""

    text: str = ""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def read(self, child: subprocess.Popen[bytes]) -> None:
        assert child.stdout is not None
        while chunk := os.read(child.stdout.fileno(), 65536):
            with self.lock:
                self.text += chunk.decode(errors="replace")


def done(kill: Kill, room: Room, before: frozenset[Leftover]) -> Outcome:
    """Return what became of `kill`; `before` is what the room has without a run."""
    began_s = time.monotonic()
    outcome = Outcome(kill=kill)
    output = _Output()
    with _started(kill, room, output) as child:
        if _has_reached(kill, child, output):
            _strike(kill, child, outcome)
        else:
            outcome.note = "the run ended before the moment"
        _settle(kill, child, outcome)
    outcome.output = output.text
    here = frozenset(own_processes())

    def left() -> frozenset[Leftover]:
        return all_left(room.place, here) - before

    # Without a reaper, only the next run cleans up.
    limit_s = 0.0 if outcome.target == REAPER else _GONE_S
    _wait(lambda: not _machines(left()), limit_s, _COUNT_TICK_S)
    outcome.swept = left()
    _sweep(room)
    _wait(lambda: not left(), _GONE_S, _COUNT_TICK_S)
    outcome.left = left() | _ours_to_end(outcome)
    outcome.seconds = time.monotonic() - began_s
    _end_all(here)
    return outcome


def command_of(kill: Kill, room: Room) -> list[str]:
    """Return the command of the run."""
    if kill.moment.run == SMALL:
        return [sys.executable, "-m", "killing.small_run"]
    argv = [
        sys.executable, "-m", "pytest", *_TESTS, "-v", "-p", "no:cacheprovider",
        "--scenario", kill.moment.run, "--artifacts-dir", str(room.artifacts),
        "-m", "not nightly",
        # pytest keeps the temporary folders of its last runs, in /tmp by default.
        "--basetemp", str(room.base / "basetemp"),
    ]  # fmt: skip
    if kill.moment.hardware:
        argv += ["--hardware", kill.moment.hardware]
    return argv + (["-n", "1", "--max-worker-restart", "0"] if kill.workers else [])


@contextmanager
def _started(kill: Kill, room: Room, output: _Output) -> Iterator[subprocess.Popen[bytes]]:
    child = subprocess.Popen(
        command_of(kill, room), env=room.env, cwd=ROOT, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
    )  # fmt: skip
    reader = threading.Thread(target=output.read, args=(child,), daemon=True)
    reader.start()
    try:
        yield child
    finally:
        if child.poll() is None:
            child.kill()
        child.wait()
        # Whoever has the pipe open is a leftover, which the count reports.
        reader.join(timeout=1)


def _has_reached(kill: Kill, child: subprocess.Popen[bytes], output: _Output) -> bool:
    """Wait for the moment; return whether the run still goes on then."""
    mark = re.compile(kill.moment.mark)
    _wait(lambda: mark.search(output.text) is not None or child.poll() is not None, _REACH_S)
    if mark.search(output.text) is None:
        return False
    _wait(lambda: child.poll() is not None, kill.delay_s)
    return child.poll() is None


def _strike(kill: Kill, child: subprocess.Popen[bytes], outcome: Outcome) -> None:
    """Kill the first target that runs; the owner as well if its reaper is the target."""
    for target in kill.targets:
        pids = (child.pid,) if target in _RUN_NAMES else tuple(_pids(_SIGNS[target]))
        if pids:
            chosen = pids[int(kill.choice * len(pids))]
            with suppress(ProcessLookupError):
                os.kill(chosen, signal.SIGKILL)
            outcome.target = target
            break
    else:
        outcome.note = "none of the targets ran"
    if outcome.target == REAPER:
        # Alone, it is not missed. Nobody but the next run's sweep is left to clean up.
        for pid in (child.pid, *_pids(_SIGNS[WORKER])):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def _settle(kill: Kill, child: subprocess.Popen[bytes], outcome: Outcome) -> None:
    """Wait for the run's end; interrupt it if it goes on, as a person would."""
    if outcome.target or outcome.note != "the run ended before the moment":
        _wait(lambda: child.poll() is not None, _SETTLE_S)
    if child.poll() is None:
        child.send_signal(signal.SIGINT)
        _wait(lambda: child.poll() is not None, _GONE_S)
    if child.poll() is None:
        outcome.note = "it did not end when it was interrupted"
        child.send_signal(
            signal.SIGABRT
        )  # for the stacks of its threads, see the room's environment
        _wait(lambda: child.poll() is not None, _SETTLE_S)


def _ours_to_end(outcome: Outcome) -> frozenset[Leftover]:
    if outcome.note.startswith("it did not end"):
        return frozenset((Leftover(kind="run", name=outcome.note),))
    if outcome.target == REAPER:
        return frozenset()
    # Files may wait for the next run. Machines, ports and sockets must not.
    return frozenset(_machines(outcome.swept))


def _machines(left: frozenset[Leftover]) -> list[Leftover]:
    return [one for one in left if one.kind in ("process", "port", "socket", "shared memory")]


def _sweep(room: Room) -> None:
    """Do what the next run does at its start."""
    argv = (sys.executable, "-c", "from harness.machine.ownership.sweep import sweep; sweep()")
    subprocess.run(argv, env=room.env, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)


def _pids(sign: re.Pattern[bytes]) -> Iterator[int]:
    for entry in sorted(_PROC.iterdir()):
        if entry.name.isdecimal() and int(entry.name) != os.getpid():
            with suppress(OSError):
                if sign.match((entry / "cmdline").read_bytes()):
                    yield int(entry.name)


def _end_all(here: frozenset[int]) -> None:
    """End what is left, so that the next kill does not count it again."""
    for entry in _PROC.iterdir():
        if entry.name.isdecimal() and int(entry.name) not in here:
            with suppress(ProcessLookupError):
                os.kill(int(entry.name), signal.SIGKILL)
    _wait(lambda: not [*processes_left(_PROC, here)], _GONE_S)


def _wait(is_so: Callable[[], bool], limit_s: float, tick_s: float = _TICK_S) -> None:
    end_s = time.monotonic() + limit_s
    while not is_so() and time.monotonic() < end_s:
        time.sleep(tick_s)
