"""Memory for a machine: what the host and the cgroup have left, less what others reserved.

A machine that does not fit is refused at once, with the figures. The parsers take text; `survey`
reads the files, below any root so that tests can bring their own.
Source: proc(5) for meminfo, the kernel's admin-guide/cgroup-v2 and cgroup-v1/memory.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from harness.machine.ownership import processes
from harness.machine.ownership.sweep import gate, live_runs
from harness.model.errors import RigError

_KIB = 1024
MIB = 1024**2
# In a run's folder: a file per machine with its MiB.
_RECORDS = "memory"
_V2_FILES = ("memory.max", "memory.current", "inactive_file")
_V1_FILES = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cgroup:
    """A memory limit, and the memory that counts against it and cannot be reclaimed."""

    limit_bytes: int
    used_bytes: int

    @property
    def headroom_bytes(self) -> int:
        """The memory that is left, never negative."""
        return max(0, self.limit_bytes - self.used_bytes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """The figures of a decision; `cgroup` is the tightest limit, None without one."""

    host_bytes: int
    cgroup: Cgroup | None
    reserved_bytes: int = 0

    @property
    def available_bytes(self) -> int:
        """The memory for a new machine, never negative."""
        given = self.host_bytes
        if self.cgroup is not None:
            given = min(given, self.cgroup.headroom_bytes)
        return max(0, given - self.reserved_bytes)

    def __str__(self) -> str:
        limit = "none"
        if self.cgroup is not None:
            limit = f"{_mib(self.cgroup.limit_bytes)} with {_mib(self.cgroup.used_bytes)} in use"
        return (
            f"host available {_mib(self.host_bytes)}, cgroup limit {limit}, "
            f"reserved by running machines and not yet used {_mib(self.reserved_bytes)}"
        )


class MemoryShortageError(RigError):
    """A machine does not fit. `wanted_mib` was asked for, `survey` is what there is."""

    def __init__(self, wanted_mib: int, survey: Survey) -> None:
        super().__init__(
            "memory for the machine",
            f"{wanted_mib} MiB needed, {_mib(survey.available_bytes)} available: {survey}",
            "Use a lower --memory-mib, run fewer machines at once, or give this host more memory.",
        )
        self.wanted_mib = wanted_mib
        self.survey = survey


def _mib(number: int) -> str:
    return f"{number // MIB} MiB"


def parse_meminfo(text: str) -> int:
    """Return MemAvailable in bytes from the text of /proc/meminfo.

    Raises:
        RigError: there is no such line.
    """
    found = re.search(r"^MemAvailable:\s+(\d+) kB$", text, re.MULTILINE)
    if found is None:
        remedy = "Run on Linux with /proc mounted."
        raise RigError("/proc/meminfo", "no MemAvailable line", remedy)
    return int(found[1]) * _KIB


def parse_cgroup_paths(text: str) -> tuple[str | None, str | None]:
    """Return this process's path in cgroup v2 and in the v1 memory hierarchy.

    `text` is /proc/self/cgroup.
    """
    v2 = v1 = None
    for line in text.splitlines():
        number, controllers, path = line.split(":", 2)
        if number == "0":
            v2 = path
        elif "memory" in controllers.split(","):
            v1 = path
    return v2, v1


def parse_cgroup(limit: str, used: str, stat: str, reclaimable: str) -> Cgroup | None:
    """Return the limit in the texts of three cgroup files, None if they set none.

    `reclaimable` is the field of `stat` with the page cache that the kernel can reclaim.
    """
    if limit.strip() == "max":
        return None
    fields = dict(line.split(maxsplit=1) for line in stat.splitlines() if " " in line)
    unreclaimable = int(used) - int(fields.get(reclaimable, 0))
    return Cgroup(limit_bytes=int(limit), used_bytes=max(0, unreclaimable))


def survey(root: Path = Path("/")) -> Survey:
    """Return what the host and this process's cgroups have, without reservations."""
    v2, v1 = parse_cgroup_paths((root / "proc/self/cgroup").read_text())
    mount = root / "sys/fs/cgroup"
    limits = [
        *_limits(mount, v2, _V2_FILES),
        *_limits(mount / "memory", v1, _V1_FILES),
    ]
    tightest = min(limits, key=lambda cgroup: cgroup.headroom_bytes, default=None)
    host = parse_meminfo((root / "proc/meminfo").read_text())
    if tightest is not None and tightest.headroom_bytes >= host:
        tightest = None  # v1 says "no limit" by a number beyond any memory
    return Survey(host_bytes=host, cgroup=tightest)


def _limits(mount: Path, path: str | None, files: tuple[str, str, str]) -> Iterator[Cgroup]:
    """Yield the limits from the process's own cgroup up to the mount; all of them apply."""
    if path is None:
        return
    own = PurePosixPath(path.lstrip("/"))
    limit, used, reclaimable = files
    # In a container the path may be the host's, and the mount the container's own:
    # missing levels are skipped, and the mount itself is always read.
    for level in (own, *own.parents):
        folder = mount / level
        try:
            limit_text, used_text, stat = (
                (folder / name).read_text() for name in (limit, used, "memory.stat")
            )
        except OSError:
            continue
        found = parse_cgroup(limit_text, used_text, stat, reclaimable)
        if found is not None:
            yield found


@contextmanager
def reserve(run: Path, name: str, mib: int, root: Path = Path("/")) -> Iterator[None]:
    """Reserve `mib` for the machine `name` of the run in the folder `run`, for all runs to see.

    Raises:
        MemoryShortageError: it does not fit now.
    """
    record = run / _RECORDS / name
    with gate(run.parent):
        found = replace(survey(root), reserved_bytes=_unused_reservations(run.parent))
        if mib * MIB > found.available_bytes:
            raise MemoryShortageError(mib, found)
        record.parent.mkdir(exist_ok=True)
        record.write_text(str(mib))
    try:
        yield
    finally:
        record.unlink(missing_ok=True)


def _unused_reservations(runs: Path) -> int:
    """Return the bytes that live runs reserved and do not use yet.

    The figures of host and cgroup include what they use.
    """
    return sum(_unused(folder) for folder in live_runs(runs))


def _unused(folder: Path) -> int:
    reserved = sum(_read_mib(record) for record in (folder / _RECORDS).glob("*")) * MIB
    used = sum(
        processes.resident_bytes(processes.read_status(pid))
        for pid in processes.processes_naming(folder)
    )
    return max(0, reserved - used)


def _read_mib(record: Path) -> int:
    try:
        return int(record.read_text() or 0)
    except FileNotFoundError:
        return 0  # released between listing and reading
