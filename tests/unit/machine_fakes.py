"""Fakes of the machine room: a clock, a run without a reaper, a /proc, and a driver."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from harness.machine.driver import DESTROYED, SecurityLabel
from harness.machine.ownership.run import Run
from harness.model.clock import Deadline
from harness.model.errors import RigError


@dataclass
class FakeClock:
    """Time that passes only while someone sleeps."""

    now: float = 0.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += max(seconds, 0.001)


def soon() -> Deadline:
    """Give a minute from the call, not from the import of a module, which may be long ago."""
    return Deadline.after(60)


def make_run(root: Path, name: str = "run-000000") -> Run:
    """Lay out a run as `begin_run` does, without lock and reaper."""
    folder = root / name
    for part in ("domains", "scratch"):
        (folder / part).mkdir(parents=True)
    return Run(folder=folder, scratch=folder / "scratch")


def add_process(
    proc: Path, pid: int, command: str, *, terminal: int = 0, rss_kib: int = 0, hwm_kib: int = 0
) -> None:
    """Add a process of this user to a /proc of our own."""
    entry = proc / str(pid)
    entry.mkdir(parents=True)
    (entry / "cmdline").write_bytes(command.replace(" ", "\0").encode() + b"\0")
    (entry / "stat").write_text(f"{pid} (a) b) S 1 {pid} {pid} {terminal} -1 0")
    (entry / "status").write_text(f"Name:\ta\nVmHWM:\t{hwm_kib} kB\nVmRSS:\t{rss_kib} kB\n")


def fake_qemu_img(folder: Path) -> Path:
    """Make a qemu-img that writes its arguments into the file that it was asked to create."""
    program = folder / "qemu-img"
    program.write_text(
        "#!/bin/sh\n"
        'for word in "$@"; do case "$word" in *.qcow2) target="$word";; esac; done\n'
        'echo "$@" > "$target"\n'
    )
    program.chmod(0o755)
    return program


def is_writable(fd: int) -> bool:
    return fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_ACCMODE != os.O_RDONLY


@dataclass
class FakeDomain:
    """A domain that runs until it is destroyed, or stops for a reason of its own."""

    reason: str | None = None
    destroyed: int = 0
    resets: int = 0
    acts: list[str] = field(default_factory=list)
    disk: str = ""
    migration: str = "completed"

    def is_running(self) -> bool:
        return self.reason is None

    def stop_reason(self) -> str | None:
        return self.reason

    def reset(self) -> None:
        self.resets += 1

    def suspend(self) -> None:
        self.acts.append("suspend")

    def resume(self) -> None:
        self.acts.append("resume")

    def ask_qemu(
        self, command: str, arguments: Mapping[str, object], fd: int | None = None
    ) -> object:
        self.acts.append(command)
        if command == "query-block":
            return [{}, {"inserted": {"file": self.disk, "node-name": "libvirt-1-format"}}]
        if command == "blockdev-snapshot-sync":
            self.disk = str(arguments["snapshot-file"])
            Path(self.disk).touch()
        if command == "getfd" and fd is not None and is_writable(fd):
            os.write(fd, b"state")
        return {"status": self.migration} if command == "query-migrate" else {}

    def destroy(self) -> None:
        self.destroyed += 1
        self.reason = self.reason or DESTROYED


@dataclass
class FakeConnection:
    """A driver that starts nothing and remembers what it was given."""

    uri: str = "qemu:///embed?root=/nowhere"
    log_folder: Path | None = None
    refusal: str | None = None
    domains: list[FakeDomain] = field(default_factory=list)
    xml: str = ""
    migration: str = "completed"

    def security_labels(self) -> tuple[SecurityLabel, ...]:
        return (SecurityLabel(model="dac", label=f"+{os.getuid()}:+{os.getgid()}"),)

    def start(self, xml: str, *, is_paused: bool = False) -> FakeDomain:
        if self.refusal is not None:
            raise RigError(self.refusal)
        self.xml = xml
        self.domains.append(FakeDomain(migration=self.migration))
        return self.domains[-1]
