"""The memory of the host and of its cgroups: what there is, and what is left.

The parsers take text; `survey` reads the files, below any root so that tests can bring their own.
Source: proc(5) for meminfo, the kernel's admin-guide/cgroup-v2 and cgroup-v1/memory.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from harness.model.errors import RigError

_KIB = 1024
MIB = 1024**2
# Limits, usage, and the fields of memory.stat with the page cache, which the kernel takes back
# before it ends a process. Above memory.high it slows processes down until they hardly go on.
_V2_FILES = (("memory.max", "memory.high"), "memory.current", ("inactive_file", "active_file"))
_V1_FILES = (
    ("memory.limit_in_bytes",), "memory.usage_in_bytes",
    ("total_inactive_file", "total_active_file"),
)  # fmt: skip


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
    """A machine does not fit. `wanted_mib` was asked for, `survey` is what there is.

    `why` says what the figures are compared with, by default with what is available.
    """

    def __init__(
        self, wanted_mib: int, survey: Survey, name: str = "the machine", why: str = ""
    ) -> None:
        why = why or f"{_mib(survey.available_bytes)} available"
        super().__init__(
            f"memory for {name}",
            f"{wanted_mib} MiB needed, {why}: {survey}",
            "Use a lower --memory-mib, run fewer machines at once, or give this host more memory.",
        )
        self.wanted_mib = wanted_mib
        self.survey = survey


def _mib(number: int) -> str:
    return f"{number // MIB} MiB"


def parse_meminfo(text: str, field: str = "MemAvailable") -> int:
    """Return a field in bytes from the text of /proc/meminfo.

    Raises:
        RigError: there is no such line.
    """
    found = re.search(rf"^{field}:\s+(\d+) kB$", text, re.MULTILINE)
    if found is None:
        remedy = "Run on Linux with /proc mounted."
        raise RigError("/proc/meminfo", f"no {field} line", remedy)
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


def parse_cgroup(
    limits: tuple[str, ...], used: str, stat: str, reclaimable: tuple[str, ...]
) -> Cgroup | None:
    """Return the lowest limit in the texts of a cgroup's files, None if they set none.

    `reclaimable` are the fields of `stat` with the page cache that the kernel can reclaim.
    """
    set_bytes = [int(limit) for limit in limits if limit.strip() != "max"]
    if not set_bytes:
        return None
    fields = dict(line.split(maxsplit=1) for line in stat.splitlines() if " " in line)
    cached = sum(int(fields.get(name, 0)) for name in reclaimable)
    return Cgroup(limit_bytes=min(set_bytes), used_bytes=max(0, int(used) - cached))


def survey(root: Path = Path("/")) -> Survey:
    """Return what the host and this process's cgroups have, without reservations."""
    tightest = min(_cgroups(root), key=lambda cgroup: cgroup.headroom_bytes, default=None)
    host = parse_meminfo((root / "proc/meminfo").read_text())
    if tightest is not None and tightest.headroom_bytes >= host:
        tightest = None  # v1 says "no limit" by a number beyond any memory
    return Survey(host_bytes=host, cgroup=tightest)


def capacity_bytes(root: Path = Path("/")) -> int:
    """Return the memory that this process could have if nothing else ran."""
    total = parse_meminfo((root / "proc/meminfo").read_text(), "MemTotal")
    return min([total, *(cgroup.limit_bytes for cgroup in _cgroups(root))])


def _cgroups(root: Path) -> tuple[Cgroup, ...]:
    v2, v1 = parse_cgroup_paths((root / "proc/self/cgroup").read_text())
    mount = root / "sys/fs/cgroup"
    return (*_limits(mount, v2, _V2_FILES), *_limits(mount / "memory", v1, _V1_FILES))


def _limits(
    mount: Path, path: str | None, files: tuple[tuple[str, ...], str, tuple[str, ...]]
) -> Iterator[Cgroup]:
    """Yield the limits from the process's own cgroup up to the mount; all of them apply."""
    if path is None:
        return
    own = PurePosixPath(path.lstrip("/"))
    if ".." in own.parts:
        own = PurePosixPath()  # outside of what this namespace shows
    limits, used, reclaimable = files
    # In a container the path may be the host's, and the mount the container's own:
    # missing levels are skipped, and the mount itself is always read.
    for level in (own, *own.parents):
        folder = mount / level
        try:
            found = parse_cgroup(
                tuple((folder / name).read_text() for name in limits if (folder / name).exists()),
                (folder / used).read_text(), (folder / "memory.stat").read_text(), reclaimable,
            )  # fmt: skip
        except OSError:
            continue
        if found is not None:
            yield found
