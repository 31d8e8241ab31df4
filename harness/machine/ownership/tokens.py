"""The memory that runs want and have: a token for each, a file in the folder of its run.

The lock of the run makes its tokens valid, so the kernel takes back those of a process that is
killed. `queue` says who is next.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from harness.machine.ownership import processes
from harness.machine.ownership.memory import MIB
from harness.machine.ownership.sweep import live_runs

_RECORDS = "memory"
_WAITING, _RESERVED = "waiting", "reserved"


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """`mib` that a run waits for, or has. Numbers follow the order of arrival in all runs."""

    run: Path
    number: int
    mib: int
    name: str
    is_waiting: bool

    @property
    def path(self) -> Path:
        """The file of the token."""
        return self.run / _RECORDS / f"{self.number:06}"

    def write(self) -> None:
        """Write the file; under the gate, so nobody reads a part."""
        self.path.parent.mkdir(exist_ok=True)
        state = _WAITING if self.is_waiting else _RESERVED
        self.path.write_text(f"{state} {self.mib} {self.name}")

    def __str__(self) -> str:
        return f"{self.name} of {self.run.name}"


def tokens_of_all(run: Path) -> tuple[Token, ...]:
    """Return the tokens of all runs that live, the caller's own included."""
    folders = dict.fromkeys((run, *live_runs(run.parent)))
    return tuple(token for folder in folders for token in _of_run(folder))


def _of_run(run: Path) -> Iterator[Token]:
    for path in sorted((run / _RECORDS).glob("*")):
        try:
            state, mib, name = path.read_text().split(" ", 2)
            token = Token(
                run=run, number=int(path.name), mib=int(mib), name=name,
                is_waiting=state == _WAITING,
            )  # fmt: skip
        except (FileNotFoundError, ValueError):
            # Released meanwhile, its owner was killed while it wrote, or of another version.
            continue
        yield token


def unused_bytes(tokens: tuple[Token, ...]) -> int:
    """Return the bytes that runs reserved and do not use yet.

    The figures of host and cgroup include what they use.
    """
    reserved: dict[Path, int] = {}
    for token in tokens:
        if not token.is_waiting:
            reserved[token.run] = reserved.get(token.run, 0) + token.mib * MIB
    return sum(max(0, size - _used(run)) for run, size in reserved.items())


def _used(run: Path) -> int:
    return sum(
        processes.resident_bytes(processes.read_status(pid))
        for pid in processes.processes_naming(run)
    )
