"""How much of the host's memory a scenario takes, with QEMU's own share."""

from __future__ import annotations

from harness.machine.forking.fork import fork_mib
from harness.machine.spec import EMULATOR_MIB
from harness.player.scenario import Scenario


def needed_mib(scenario: Scenario, asked_mib: int | None) -> int:
    """Return what all machines and services take; each machine has `asked_mib` if that is set."""
    machines = sum((asked_mib or plan.memory_mib) + EMULATOR_MIB for plan in scenario.machines)
    return machines + sum(service.memory_mib for service in scenario.services)


def forks_mib(scenario: Scenario, asked_mib: int | None) -> int:
    """Return what a fork of each machine takes beside it."""
    return sum(fork_mib(asked_mib or plan.memory_mib) for plan in scenario.machines)
