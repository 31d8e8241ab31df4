"""A scenario as a row of a table, derived from its data."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from harness.player.given import Given
from harness.player.plan import BOOTIMAGE, ByPointer, FromDisk, FromNetwork, InMedium, MachinePlan
from harness.player.scenario import Scenario
from harness.player.steps import step_names

_HEAD = ("scenario", "boots", "config comes", "node layer", "MiB", "reboots", "steps")


def markdown(scenarios: Iterable[Scenario]) -> str:
    """Return the table of scenarios as docs/scenarios.md has it."""
    rows = [_HEAD, ("---",) * len(_HEAD), *(tuple(_cells(scenario)) for scenario in scenarios)]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def lines(scenario: Scenario) -> Iterator[str]:
    """Yield a scenario's title, needs and steps for a terminal."""
    yield f"{scenario.name}: {scenario.title}"
    images = (f"the image {key}" for key in scenario.images if key != BOOTIMAGE)
    needs = [*images, *(f"a {need}" for need in scenario.needs)]
    yield f"    {scenario.memory_mib} MiB" + "".join(f"; needs {need}" for need in needs)
    yield f"    steps: {', '.join(step_names(scenario.steps(Given())))}"


def _cells(scenario: Scenario) -> Iterator[str]:
    yield f"`{scenario.name}`"
    yield " + ".join(_medium(plan) for plan in scenario.machines)
    yield " + ".join(_delivery(plan) for plan in scenario.machines)
    yield str(scenario.way)
    yield " + ".join(str(plan.memory_mib) for plan in scenario.machines)
    yield " + ".join(str(scenario.reboots(machine)) for machine in scenario.judged)
    yield ", ".join(step_names(scenario.steps(Given())))


def _medium(plan: MachinePlan) -> str:
    if isinstance(plan.medium, FromDisk):
        is_usual = plan.medium.image == BOOTIMAGE
        return "disk" if is_usual else f"disk (image `{plan.medium.image}`)"
    return "network" if isinstance(plan.medium, FromNetwork) else "live ISO"


def _delivery(plan: MachinePlan) -> str:
    if isinstance(plan.delivery, ByPointer):
        return f"by pointer ({plan.delivery.service})"
    return "in the medium" if isinstance(plan.delivery, InMedium) else "by firmware"
