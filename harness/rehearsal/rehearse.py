"""The public function `rehearse`, and what it returns."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import mkdtemp

from harness import temporary
from harness.model.errors import HarnessError
from harness.model.ignition import Document
from harness.node.ssh import Result
from harness.player.plan import MachinePlan
from harness.player.player import play
from harness.player.scenario import Scenario
from harness.player.site import Site
from harness.player.steps import step_names
from harness.rehearsal.guest import Guest
from harness.rehearsal.host import Host, inputs_in


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsal:
    """What came of a rehearsal, by the names of machines where there are several values.

    `lines` are the progress lines, `commands` what was run by SSH.
    """

    steps: tuple[str, ...]
    configs: Mapping[str, Document]
    reboots: Mapping[str, int]
    lines: tuple[str, ...]
    commands: tuple[str, ...]


def rehearse(
    scenario: Scenario,
    folder: Path,
    answers: Mapping[str, str | Result | Exception | Callable[[], str]] | None = None,
) -> Rehearsal:
    """Play a scenario in memory: its configs, services, steps and checks are real, no machine is.

    Machines write the least that each step needs. `answers` are for commands by SSH that begin so:
    the text that they print, a `Result`, an error to raise, or a function that returns the text.
    Every other command prints nothing. Time is skipped. Files go to a new folder in `folder`. The
    run has no control plane, and its snapshots are empty. If `ignition-validate` is installed, it
    checks every config.

    Raises:
        InputError: the scenario contradicts itself, or a config cannot be used.
        ProductError: a check failed, or a step was not reached in its time.
    """
    own = Path(mkdtemp(prefix="rehearsal-", dir=folder))
    configs: dict[str, Document] = {}
    kept = replace(scenario, machines=tuple(_keeping(p, configs) for p in scenario.machines))
    inputs, guest = inputs_in(own), Guest(answers or {})
    steps = scenario.checked_steps(inputs.given)
    host = Host(kept, steps, own)
    try:
        with (
            temporary.folder() as run,
            play(kept, host.rig(guest, run), inputs) as nodes,
        ):
            reboots = {name: node.reboots for name, node in nodes.items()}
    except HarnessError as exc:
        exc.add_note(next((f"in {line}" for line in reversed(host.lines) if ": step " in line), ""))
        raise
    return Rehearsal(
        steps=step_names(steps), configs=configs, reboots=reboots, lines=tuple(host.lines),
        commands=tuple(guest.commands),
    )  # fmt: skip


def _keeping(plan: MachinePlan, configs: dict[str, Document]) -> MachinePlan:
    """Return a plan that notes the config it makes."""

    def config(site: Site, make: Callable[[Site], Document] = plan.config) -> Document:
        configs[plan.name] = make(site)
        return configs[plan.name]

    return replace(plan, config=config)
