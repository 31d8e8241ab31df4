"""What makes no sense in a scenario's data; each function yields problems, the first cause first.

`Scenario.checked_steps` raises the first problem before anything is built or booted.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from harness.machine.domain import hardware
from harness.model.errors import InputError
from harness.model.way import Way
from harness.player.plan import (
    MIN_MEMORY_MIB,
    ByPointer,
    FromDisk,
    InMedium,
    MachinePlan,
    Medium,
    Service,
)
from harness.player.steps import (
    NODE_LAYER,
    OVERLAY_APPLIED,
    Checkpoint,
    LogIn,
    Reach,
    Reboot,
    Step,
    SwitchOn,
    step_names,
)

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


def of_names(
    scenario: str, machines: Sequence[MachinePlan], services: Sequence[Service]
) -> Iterator[str]:
    """Yield names that are used twice, or cannot be names of folders, domains and tests."""
    for kind, names in (
        ("machines", [plan.name for plan in machines]),
        ("services", [service.name for service in services]),
    ):
        if twice := _repeated(names):
            yield f"two {kind} with one name: {', '.join(twice)}"
    for name in (scenario, *(plan.name for plan in machines)):
        if not _NAME.fullmatch(name):
            yield f"name {name!r}: only letters, digits and '_', '-', '.' are allowed"


def of_machines(machines: Sequence[MachinePlan], services: Sequence[Service]) -> Iterator[str]:
    """Yield what no machine can have, and parts of one that do not fit together."""
    ends = [plan.link.name for plan in machines if plan.link]
    for name in dict.fromkeys(ends):
        if (count := ends.count(name)) != 2:
            yield f"link {name!r}: {count} ends instead of 2"
    known = [service.name for service in services]
    for plan in machines:
        for problem in _of_machine(plan, known):
            yield f"machine {plan.name!r}: {problem}"


def of_steps(steps: Sequence[Step], machines: Sequence[MachinePlan]) -> Iterator[str]:
    """Yield steps of machines or phases that do not exist, and steps in an impossible order."""
    # Not at import, so that a project without machines does not load the tables of diagnosis.
    from harness.diagnosis.phases import names as phase_names

    phases, names = phase_names(), [plan.name for plan in machines]
    is_on: set[str] = set()
    for step, name in zip(steps, step_names(steps), strict=True):
        if step.machine and step.machine not in names:
            yield f"unknown machine {step.machine!r} in step {name}"
        if step.machine and isinstance(step, SwitchOn) == (step.machine in is_on):
            is_again = isinstance(step, SwitchOn)
            yield f"step {name}: the machine is {'already on' if is_again else 'not on'}"
        if isinstance(step, Reach) and step.phase not in phases:
            yield f"unknown phase {step.phase!r} in step {name}; known: {', '.join(phases)}"
        limit_s = getattr(step, "limit_s", 1.0)
        if not (limit_s > 0 and math.isfinite(limit_s)):
            yield f"step {name}: limit_s={limit_s} is not a number of seconds above 0"
        is_on.add(step.machine)
    yield from _of_step_names(steps)


def of_logins(steps: Sequence[Step], judged: Sequence[str]) -> Iterator[str]:
    """Yield machines that tests need and cannot get."""
    if not judged:
        yield "no machine to judge"
    logged_in = {step.machine for step in steps if isinstance(step, LogIn)}
    for machine in judged:
        if machine not in logged_in:
            yield f"no step logs in to the judged machine {machine!r}"


def of_way(way: Way, steps: Sequence[Step], judged: Sequence[str]) -> Iterator[str]:
    """Yield judged machines that do not get the node layer in the scenario's way, or get it twice.

    A pivot may follow a live-apply: an installer live-applies in its live system.
    """
    is_pivot = way is Way.PIVOT
    for machine in dict.fromkeys(step.machine for step in steps if step.machine):
        own = [step for step in steps if step.machine == machine]
        pivots = [number for number, step in enumerate(own) if _is_reach(step, "pivot")]
        if machine in judged and pivots and not is_pivot:
            yield f"machine {machine!r} pivots, but the scenario has no way=Way.PIVOT"
        if machine in judged and is_pivot and not any(isinstance(step, Reboot) for step in own):
            yield f"way=Way.PIVOT, but no step expects a reboot of machine {machine!r}"
        if pivots and any(map(_is_live_apply, own[pivots[0] :])):
            problem = "has steps of live-apply after its pivot, which has the node layer already"
            yield f"machine {machine!r} {problem}"


def _of_machine(plan: MachinePlan, services: Sequence[str]) -> Iterator[str]:
    if plan.memory_mib < MIN_MEMORY_MIB:
        yield f"memory_mib={plan.memory_mib} is less than {MIN_MEMORY_MIB}"
    if (size := _disk_bytes(plan.medium)) is not None and size <= 0:
        yield f"its disk has {size} bytes"
    is_in_medium = isinstance(plan.delivery, InMedium)
    if isinstance(plan.medium, FromDisk) == is_in_medium:
        where = "a live medium" if is_in_medium else "a disk"
        yield f"its delivery is for {where}, but its medium is not one"
    if isinstance(plan.delivery, ByPointer) and plan.delivery.service not in services:
        yield f"unknown service {plan.delivery.service!r}"
    try:
        hardware.parse(plan.requires)
    except InputError as exc:
        words = "docs/hardware.md lists the words"
        yield f"requires={plan.requires!r}: {exc.problem}; {words}"


def _of_step_names(steps: Sequence[Step]) -> Iterator[str]:
    """Yield names that two steps share: `--until` and reports need one for each."""
    checkpoints = [step.name for step in steps if isinstance(step, Checkpoint)]
    others = {step.name for step in steps if not isinstance(step, Checkpoint)}
    # `pivot_steps` has one for each machine.
    pivoting = len({step.machine for step in steps if _is_reach(step, "pivot")})
    if checkpoints.count(NODE_LAYER) > max(1, pivoting):
        yield f"two checkpoints with one name: {NODE_LAYER}; pivot_steps contains it"
    if twice := _repeated(name for name in checkpoints if name != NODE_LAYER):
        yield f"two checkpoints with one name: {', '.join(twice)}"
    for name in checkpoints:
        if name in others:
            yield f"checkpoint {name!r} has the name of a step"
    if twice := _repeated(step_names(steps)):
        yield f"two steps with one name: {', '.join(twice)}"
    if not all(step.name.strip() for step in steps):
        yield "a step without a name"


def _repeated(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(name for name, count in Counter(names).items() if count > 1)


def _disk_bytes(medium: Medium) -> int | None:
    return medium.size_bytes if isinstance(medium, FromDisk) else medium.disk_bytes


def _is_reach(step: Step, phase: str) -> bool:
    return isinstance(step, Reach) and step.phase.startswith(phase)


def _is_live_apply(step: Step) -> bool:
    return step.name == OVERLAY_APPLIED or _is_reach(step, "overlay-")
