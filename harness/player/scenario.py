"""A scenario: data about one way in which a node comes up.

A scenario never waits, never scales a time and never counts boots; `player.play` does.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from harness.machine.domain import hardware
from harness.model.errors import HarnessError, InputError
from harness.model.way import Way
from harness.player.given import Given
from harness.player.needs import Need
from harness.player.plan import ByPointer, FromDisk, InMedium, MachinePlan, Service
from harness.player.steps import LogIn, Reach, Reboot, Step, SwitchOn, step_names

STANDALONE_LEVELS = ("unit-active", "healthz", "cri", "static-pod")
"""Levels of readiness of a kubelet without a cluster."""
BOOTSTRAP_LEVELS = (*STANDALONE_LEVELS, "api-readyz")
"""Levels of readiness of a bootstrap machine, which is not a Node of the cluster that it starts."""
NODE_LEVELS = (*BOOTSTRAP_LEVELS, "node-ready", "os-id-label")
"""Levels of readiness of a Node. A run without a control plane checks `STANDALONE_LEVELS` only."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_REMEDY = "Correct the scenario; docs/scenarios.md lists the steps."


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One way a node comes up.

    A judged machine has to reach `levels` of readiness. `needs` adds to the images of its machines.
    With `takes_installer_config` it boots the installer's own config if one is given.
    """

    name: str
    title: str
    machines: tuple[MachinePlan, ...]
    steps: Callable[[Given], tuple[Step, ...]]
    services: tuple[Service, ...] = ()
    way: Way = Way.LIVE_APPLY
    levels: tuple[str, ...] = STANDALONE_LEVELS
    needs: tuple[Need, ...] = ()
    takes_installer_config: bool = False

    @property
    def memory_mib(self) -> int:
        """The memory of all machines together."""
        return sum(plan.memory_mib for plan in self.machines)

    @property
    def images(self) -> tuple[str, ...]:
        """The keys of the images that its machines boot, each once."""
        return tuple(dict.fromkeys(plan.medium.image for plan in self.machines))

    @property
    def judged(self) -> tuple[str, ...]:
        """The names of the machines that tests run against."""
        return tuple(plan.name for plan in self.machines if plan.is_judged)

    def plan_of(self, machine: str) -> MachinePlan:
        """Return the plan of a machine by its name.

        Raises:
            InputError: the scenario has no such machine.
        """
        for plan in self.machines:
            if plan.name == machine:
                return plan
        known = ", ".join(plan.name for plan in self.machines)
        problem = f"not a machine of scenario {self.name}"
        raise InputError(f"machine {machine!r}", problem, f"Use one of: {known}.")

    def record_name(self, machine: str) -> str:
        """Return a machine's name in reports: the scenario's if no other machine is judged.

        Any other machine has the scenario's name and its own.
        """
        return self.name if self.judged == (machine,) else f"{self.name}_{machine}"

    def reboots(self, machine: str, given: Given | None = None) -> int:
        """Return how often a machine may reboot: as often as with a fat bootimage."""
        steps = self.steps(given or Given())
        return sum(isinstance(step, Reboot) and step.machine == machine for step in steps)

    def checked_steps(self, given: Given) -> tuple[Step, ...]:
        """Return the steps after checking them.

        Raises:
            InputError: they contradict themselves or the scenario.
        """
        subject = f"scenario {self.name}"
        try:
            steps = tuple(self.steps(given))
        except HarnessError:
            raise
        except Exception as exc:  # code of a project
            problem = f"its steps end with {type(exc).__name__}: {exc}"
            raise InputError(subject, problem, _REMEDY) from exc
        for problem in _problems(self, steps):
            raise InputError(subject, problem, _REMEDY)
        return steps


def _problems(scenario: Scenario, steps: tuple[Step, ...]) -> Iterator[str]:
    # Not at import, so that a project without machines does not load the tables of diagnosis.
    from harness.diagnosis.phases import names as phase_names

    phases = phase_names()
    names = [plan.name for plan in scenario.machines]
    if len(set(names)) < len(names):
        yield f"two machines with one name: {', '.join(names)}"
    yield from _wrong_names(scenario)
    yield from _wrong_links(scenario)
    yield from _wrong_deliveries(scenario)
    yield from _wrong_hardware(scenario)
    is_on: set[str] = set()
    logged_in: set[str] = set()
    for step, name in zip(steps, step_names(steps), strict=True):
        if not step.machine:
            continue
        if step.machine not in names:
            yield f"unknown machine {step.machine!r} in step {name}"
        if isinstance(step, SwitchOn) == (step.machine in is_on):
            is_again = isinstance(step, SwitchOn)
            yield f"step {name}: the machine is {'already on' if is_again else 'not on'}"
        if isinstance(step, Reach) and step.phase not in phases:
            yield f"unknown phase {step.phase!r} in step {name}; known: {', '.join(phases)}"
        is_on.add(step.machine)
        if isinstance(step, LogIn):
            logged_in.add(step.machine)
    if not scenario.judged:
        yield "no machine to judge"
    for machine in scenario.judged:
        if machine not in logged_in:
            yield f"no step logs in to the judged machine {machine!r}"
    yield from _wrong_ways(scenario, steps)


def _wrong_names(scenario: Scenario) -> Iterator[str]:
    # They become names of folders and domains, and parts of test ids.
    for name in (scenario.name, *(plan.name for plan in scenario.machines)):
        if not _NAME.fullmatch(name):
            yield f"name {name!r}: only letters, digits and '_', '-', '.' are allowed"


def _wrong_hardware(scenario: Scenario) -> Iterator[str]:
    for plan in scenario.machines:
        try:
            hardware.parse(plan.requires)
        except InputError as exc:
            words = "docs/hardware.md lists the words"
            yield f"machine {plan.name!r}: requires={plan.requires!r}: {exc.problem}; {words}"


def _wrong_ways(scenario: Scenario, steps: tuple[Step, ...]) -> Iterator[str]:
    is_pivot = scenario.way is Way.PIVOT
    for machine in scenario.judged:
        own = [step for step in steps if step.machine == machine]
        if not is_pivot and any(isinstance(step, Reach) and step.phase == "pivot" for step in own):
            yield f"machine {machine!r} pivots, but the scenario has no way=Way.PIVOT"
        if is_pivot and not any(isinstance(step, Reboot) for step in own):
            yield f"way=Way.PIVOT, but no step expects a reboot of machine {machine!r}"


def _wrong_deliveries(scenario: Scenario) -> Iterator[str]:
    services = [service.name for service in scenario.services]
    for plan in scenario.machines:
        is_in_medium = isinstance(plan.delivery, InMedium)
        if isinstance(plan.medium, FromDisk) == is_in_medium:
            where = "a live medium" if is_in_medium else "a disk"
            yield f"machine {plan.name!r}: its delivery is for {where}, but its medium is not one"
        if isinstance(plan.delivery, ByPointer) and plan.delivery.service not in services:
            yield f"machine {plan.name!r}: unknown service {plan.delivery.service!r}"


def _wrong_links(scenario: Scenario) -> Iterator[str]:
    ends = [plan.link.name for plan in scenario.machines if plan.link]
    for name in dict.fromkeys(ends):
        if (count := ends.count(name)) != 2:
            yield f"link {name!r}: {count} ends instead of 2"
