"""The host while something is measured: processors, load, and other machines that run on it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from harness.machine.ownership.processes import processes_naming

_PROC = Path("/proc")
_QEMU = b"qemu-system-"
_MIB = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """What stays the same while a part is measured."""

    cpus: int
    memory_mib: int
    kernel: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """How busy the host is: the load of the last minute, and QEMUs that are not ours."""

    load: float
    other_qemus: int


def this_host() -> Host:
    memory_mib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // _MIB
    cpus = len(os.sched_getaffinity(0))
    return Host(cpus=cpus, memory_mib=memory_mib, kernel=os.uname().release)


def look(own: Path | None = None) -> Moment:
    """Return how busy the host is; QEMUs that name the folder `own` are ours."""
    return Moment(load=round(os.getloadavg()[0], 2), other_qemus=other_qemus(own))


def other_qemus(own: Path | None, proc: Path = _PROC) -> int:
    """Return how many QEMUs of any user run that do not name the folder `own`."""
    needle = None if own is None else os.fsencode(own)
    found = 0
    for entry in proc.iterdir():
        if not entry.name.isdecimal():
            continue
        try:
            words = (entry / "cmdline").read_bytes()
        except OSError:
            continue  # it ended meanwhile
        found += is_qemu(words) and not (needle and needle in words)
    return found


def is_qemu(command_line: bytes) -> bool:
    """Return whether a command line in the form of /proc/PID/cmdline is that of a QEMU."""
    return command_line.partition(b"\0")[0].rpartition(b"/")[2].startswith(_QEMU)


def qemu_of(folder: Path) -> int:
    """Return the process of the one QEMU that names `folder`.

    Raises:
        ValueError: there is none, or there are several.
    """
    pids = processes_naming(folder)
    (pid,) = (pid for pid in pids if is_qemu((_PROC / str(pid) / "cmdline").read_bytes()))
    return pid


def cpu_s_of(stat: str) -> float:
    """Return the seconds of CPU in the text of /proc/PID/stat.

    Other work on the host changes them less than the time on the clock.
    Source: proc_pid_stat(5), fields 14 and 15; the command in parentheses may have blanks.
    """
    fields = stat.rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def qemu_cpu_s(folder: Path) -> float:
    """Return the seconds of CPU that the QEMU which names `folder` has used."""
    return cpu_s_of((_PROC / str(qemu_of(folder)) / "stat").read_text(errors="replace"))


def private_mib(rollup: str) -> tuple[float, float]:
    """Return Pss and private dirty memory in MiB from the text of /proc/PID/smaps_rollup.

    Source: proc_pid_smaps(5).
    """
    kib = {"Pss": 0, "Private_Dirty": 0}
    for line in rollup.splitlines():
        name, _, value = line.partition(":")
        if name in kib:
            kib[name] += int(value.split()[0])
    return kib["Pss"] / 1024, kib["Private_Dirty"] / 1024
