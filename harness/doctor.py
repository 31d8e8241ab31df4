"""Checks whether this host can boot machines and build the stand-ins, and gives the remedy.

`examine` looks; `judge` and `render` are pure. The command line prints the checks; the plugin calls
`demand` before it starts anything. `host.py` knows the needs and how to install them.
"""

from __future__ import annotations

import platform
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

from harness.folders import cache_dir
from harness.host import Host
from harness.host_needs import NEEDS, OPTIONAL, HostNeed, Purpose
from harness.model.errors import InputError

MEMORY_FOR_A_MACHINE_MIB = 3072
CACHE_FOR_A_BUILD_MIB = 10240


_Seen = TypeVar("_Seen")


class CheckResult(StrEnum):
    """The result of a check; `low` and `optional` do not stop the work."""

    OK = "ok"
    LOW = "low"
    OPTIONAL = "optional"
    MISSING = "missing"
    FAILED = "failed"


# Present whenever the plugin runs; and what only our own tests need.
_NOT_OURS = (Purpose.PLUGIN, Purpose.TESTS)


@dataclass(frozen=True, slots=True, kw_only=True)
class HostCheck:
    """One line of the doctor; several checks may share a `remedy`."""

    subject: str
    verdict: CheckResult
    observed: str
    remedy: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """The state of the host; each `remedy` is one command that installs everything missing.

    `absent` are the missing needs of optional hardware. An unreadable value is its error.
    """

    system: str
    missing: tuple[HostNeed, ...]
    remedy: str
    acceleration: str | InputError
    free_memory_mib: int
    free_cache_mib: int | InputError
    absent: tuple[HostNeed, ...] = ()
    remedy_of_absent: str = ""


def examine(acceleration: Callable[[], str], free_memory_mib: int) -> tuple[HostCheck, ...]:
    """Return the checks of this host, for machines and stand-in images.

    `acceleration` returns the result of the probe in one line, or raises an `InputError`;
    `free_memory_mib` is the memory that machines may use.
    """
    host = Host.here()
    ours = host.missing(need for need in NEEDS if need.purpose not in _NOT_OURS)
    missing = tuple(need for need in ours if need.purpose not in OPTIONAL)
    absent = tuple(need for need in ours if need.purpose in OPTIONAL)
    return judge(
        Observed(
            system=f"{host.name}, Python {platform.python_version()}",
            missing=missing,
            remedy=host.remedy(missing),
            acceleration=_seen(acceleration),
            free_memory_mib=free_memory_mib,
            free_cache_mib=_seen(lambda: shutil.disk_usage(cache_dir()).free // 2**20),
            absent=absent,
            remedy_of_absent=host.remedy(absent),
        )
    )


def judge(seen: Observed) -> tuple[HostCheck, ...]:
    """Return a check for each missing need, for the acceleration, memory and cache."""
    return (
        HostCheck(subject="host", verdict=CheckResult.OK, observed=seen.system),
        *(_lacking(need, CheckResult.MISSING, seen.remedy) for need in seen.missing),
        *(_lacking(need, CheckResult.OPTIONAL, seen.remedy_of_absent) for need in seen.absent),
        _acceleration(seen.acceleration),
        _amount("memory", seen.free_memory_mib, MEMORY_FOR_A_MACHINE_MIB, "one machine"),
        _amount("cache", seen.free_cache_mib, CACHE_FOR_A_BUILD_MIB, "building stand-in images"),
    )


def render(checks: Iterable[HostCheck]) -> str:
    """Return a line for each check, then each remedy once."""
    listed = tuple(checks)
    lines = [f"{check.verdict:8} {check.subject}: {check.observed}" for check in listed]
    remedies = dict.fromkeys(check.remedy for check in listed if check.remedy)
    return "\n".join((*lines, *remedies))


def is_able(checks: Iterable[HostCheck]) -> bool:
    """Return whether nothing is missing and nothing failed."""
    return not any(check.verdict in (CheckResult.MISSING, CheckResult.FAILED) for check in checks)


def demand(purposes: Iterable[Purpose], host: Host | None = None) -> None:
    """Raise if the host lacks something that `purposes` need.

    Raises:
        InputError: something is missing; has the one command that installs all of it.
    """
    host = host or Host.here()
    wanted = frozenset(purposes)
    missing = host.missing(need for need in NEEDS if need.purpose in wanted)
    if missing:
        names = ", ".join(need.name for need in missing)
        reasons = " and ".join(dict.fromkeys(need.purpose for need in missing))
        raise InputError("this host", f"lacks {names}, needed to {reasons}", host.remedy(missing))


def _lacking(need: HostNeed, verdict: CheckResult, remedy: str) -> HostCheck:
    observed = f"needed to {need.purpose}"
    return HostCheck(subject=need.name, verdict=verdict, observed=observed, remedy=remedy)


def _seen(look: Callable[[], _Seen]) -> _Seen | InputError:
    try:
        return look()
    except InputError as exc:
        return exc


def _acceleration(seen: str | InputError) -> HostCheck:
    if isinstance(seen, InputError):
        return _failed("acceleration", seen)
    return HostCheck(subject="acceleration", verdict=CheckResult.OK, observed=seen)


def _failed(subject: str, why: InputError) -> HostCheck:
    observed = f"{why.subject}: {why.problem}"
    return HostCheck(
        subject=subject, verdict=CheckResult.FAILED, observed=observed, remedy=why.remedy
    )


def _amount(subject: str, free_mib: int | InputError, wanted_mib: int, use: str) -> HostCheck:
    if isinstance(free_mib, InputError):
        return _failed(subject, free_mib)
    verdict = CheckResult.OK if free_mib >= wanted_mib else CheckResult.LOW
    observed = f"{free_mib} MiB free; {use} takes about {wanted_mib} MiB"
    return HostCheck(subject=subject, verdict=verdict, observed=observed)
