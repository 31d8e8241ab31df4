"""What a scenario takes of the host's memory."""

from __future__ import annotations

from harness.machine.machine import EMULATOR_MIB
from harness.player.scenario import Scenario
from harness.workplace.options import Settings


def memory_mib(scenario: Scenario, settings: Settings) -> int:
    """Return the memory that all machines of a scenario reserve, each with its QEMU."""
    asked = settings.memory_mib
    own = scenario.memory_mib if asked is None else asked * len(scenario.machines)
    return own + EMULATOR_MIB * len(scenario.machines)
