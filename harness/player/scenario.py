"""A scenario: data about one way in which a node comes up.

A scenario never waits, never scales a time and never counts boots; `player.play` does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from harness.guest.installers.live import LiveKind
from harness.model.errors import HarnessError, InputError
from harness.model.way import Way
from harness.player import consistency
from harness.player.given import Given
from harness.player.needs import Need
from harness.player.plan import MachinePlan, Service
from harness.player.steps import Reboot, Step

STANDALONE_LEVELS = ("unit-active", "healthz", "cri", "static-pod")
"""Levels of readiness of a kubelet without a cluster."""
BOOTSTRAP_LEVELS = (*STANDALONE_LEVELS, "api-readyz")
"""Levels of readiness of a bootstrap machine, which is not a Node of the cluster that it starts."""
NODE_LEVELS = (*BOOTSTRAP_LEVELS, "node-ready", "os-id-label")
"""Levels of readiness of a Node. A run without a control plane checks `STANDALONE_LEVELS` only."""
_REMEDY = "Correct the scenario; docs/scenarios.md lists the steps."


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One way a node comes up.

    A judged machine has to reach `levels` of readiness. `needs` adds to the images of its machines.
    With `takes_installer_config` it boots the installer's own bootstrap config if one is given, and
    with `live_config` the installer's config of a live system of that kind.
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
    live_config: LiveKind | None = None

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
        for problem in self._problems(steps):
            raise InputError(subject, problem, _REMEDY)
        return steps

    def _problems(self, steps: tuple[Step, ...]) -> Iterator[str]:
        yield from consistency.of_names(self.name, self.machines, self.services)
        yield from consistency.of_machines(self.machines, self.services)
        yield from consistency.of_steps(steps, self.machines)
        yield from consistency.of_logins(steps, self.judged)
        yield from consistency.of_way(self.way, steps, self.judged)
