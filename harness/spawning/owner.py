"""The process that owns the nodes of one `node-image spawn`, from their boot to their end.

`python -m harness.spawning.owner ORDER` leaves a process of its own behind. Its standard input is a
pipe from the command, see `end_requests`; its output is a pipe to it, see `messages`. The project's
options and scenarios are read as pytest reads them, by pytest.
"""

from __future__ import annotations

import os
import signal
import sys
import traceback
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import replace
from types import FrameType

import msgspec
import pytest

from harness.machine.driver import POWERED_OFF
from harness.model.clock import utc_now
from harness.model.errors import HarnessError, InputError
from harness.node.login import Login, login_files
from harness.player.applied import APPLIED, OwnNode
from harness.player.inputs import Rig
from harness.player.memory import needed_mib
from harness.player.scenario import Scenario
from harness.player.steps import LogIn, Step, step_names
from harness.plugin.asked import allow_list_of, catalogue_of, problem_of, rulebook_of, settings_of
from harness.recording.artifacts import Artifacts, choose
from harness.recording.progress import ProgressLog, ProgressReporter
from harness.scenarios.catalogue import EVERY_SCENARIO, Catalogue
from harness.spawning import records
from harness.spawning.end_requests import EndRequests
from harness.spawning.messages import Ended, Up, send, show
from harness.spawning.order import Order
from harness.spawning.records import Spawned, SpawnedNode
from harness.workplace.nodes import why_dead
from harness.workplace.options import Settings
from harness.workplace.subject import describe
from harness.workplace.workplace import Workplace

_COMMAND_PIPE = 0
_LOOK_S = 1.0
_OWN_FOLDER = "spawned"
_UNEXPECTED = "nodes: an unexpected error ended them. Report it with the lines above."


class Owner:
    """A plugin of pytest that runs no tests, but the nodes that a user asked for."""

    def __init__(self, order: Order, requests: EndRequests) -> None:
        self._order = order
        self._requests = requests
        self.error = "pytest: does not start here. Correct what it printed above."

    @pytest.hookimpl(tryfirst=True)
    def pytest_cmdline_main(self, config: pytest.Config) -> pytest.ExitCode:
        """Own the nodes until somebody asks for their end."""
        self.error = ""
        try:
            self._keep(config)
        except KeyboardInterrupt:
            return pytest.ExitCode.INTERRUPTED
        except (HarnessError, pytest.UsageError) as exc:
            self.error = str(exc)
        return pytest.ExitCode.OK

    def _keep(self, config: pytest.Config) -> None:
        catalogue = catalogue_of(config)
        if (problem := problem_of(config)) is not None:
            raise problem
        settings = settings_of(config)
        scenario = _chosen(settings, catalogue, self._order.scenario)
        settings = replace(settings, scenarios=(scenario.name,), until=None)
        base = settings.artifacts_dir
        where = choose(base and base / _OWN_FOLDER, in_cache=_OWN_FOLDER)
        with ExitStack() as stack:
            artifacts = stack.enter_context(closing(Artifacts(where, settings.authfile)))
            place = Workplace(
                settings, _reporter(artifacts), artifacts, allow_list_of(config),
                rulebook_of(config),
            )  # fmt: skip
            self._own(stack.enter_context(closing(place)), scenario, settings)

    def _own(self, place: Workplace, scenario: Scenario, settings: Settings) -> None:
        order, step = self._order, self._order.step or APPLIED
        steps = scenario.checked_steps(place.preparation.given)
        require_usable(scenario, steps, step, order.machine)
        place.check([scenario])
        for line in (*describe(place.preparation), _plan(place, scenario, settings, steps, step)):
            show(line)
        rig = place.rig
        self._requests.watch_for(rig.run.folder / records.STOP)
        spawned = records.begin(
            rig.run.folder,
            Spawned(
                name=scenario.name, scenario=scenario.name, step=step, begun=utc_now(),
                evidence=str(rig.evidence),
            ),
        )  # fmt: skip
        with place.nodes_at(scenario, step) as nodes:
            try:
                self._offer(nodes, spawned, rig)
            finally:
                self._requests.ignore()

    def _offer(self, nodes: Mapping[str, OwnNode], spawned: Spawned, rig: Rig) -> None:
        """Let the user in, and watch the machines until an interrupt or until one stops."""
        in_use = {name: node for name, node in nodes.items() if node.logged_in is not None}
        endpoints = {name: node.session.endpoint for name, node in in_use.items()}
        with login_files(rig.run.folder, endpoints) as logins:
            named = tuple(
                _as_spawned(_name(spawned, name, len(in_use)), name, node, logins[name])
                for name, node in in_use.items()
            )
            spawned = replace(spawned, nodes=named)
            records.write(rig.run.folder, spawned)
            send(Up(spawned))
            _watch(nodes, spawned, rig)


def require_usable(scenario: Scenario, steps: Sequence[Step], step: str, machine: str) -> None:
    """Raise unless a user can log in after `step`, to `machine` unless that is empty.

    Raises:
        InputError: the scenario has no such step or machine, or logs in only later.
    """
    names = (*step_names(steps), APPLIED)
    if step not in names:
        problem = f"{step!r} is not a step of the scenario {scenario.name}"
        raise InputError("--at", problem, f"Use one of: {', '.join(names)}.")
    taken = steps[: names.index(step) + 1]
    logged_in = dict.fromkeys(each.machine for each in taken if isinstance(each, LogIn))
    if machine and machine not in logged_in:
        problem = f"{machine!r} is not a machine that is logged in to by the step {step}"
        raise InputError("--machine", problem, f"Use one of: {', '.join(logged_in) or 'none'}.")
    if not logged_in:
        first = next(
            name for name, each in zip(names, steps, strict=False) if isinstance(each, LogIn)
        )
        problem = f"the scenario {scenario.name} has not logged in at the step {step}"
        raise InputError("--at", problem, f"Use {first} or a later step.")


def _chosen(settings: Settings, catalogue: Catalogue, asked: str) -> Scenario:
    """Return the scenario that was asked for, else the one of the project's settings.

    Raises:
        InputError: it is unknown, or there are several.
    """
    if asked and asked not in catalogue.names:
        known = ", ".join(catalogue.names)
        problem = "every scenario, not one" if asked == EVERY_SCENARIO else "unknown scenario"
        raise InputError(f"scenario {asked}", problem, f"Use one of: {known}.")
    names = catalogue.chosen((asked,) if asked else settings.scenarios)
    if len(names) > 1:
        problem = f"one scenario at a time, not {', '.join(names)}"
        raise InputError("SCENARIO", problem, "Name one.")
    return catalogue.named(names[0])


def _plan(
    place: Workplace, scenario: Scenario, settings: Settings, steps: Sequence[Step], step: str
) -> str:
    """Return what the nodes will take."""
    names = step_names(steps)
    many = len(scenario.machines)
    at = "after the last step" if step == APPLIED else f"{names.index(step) + 1} of {len(names)}"
    machines = f"{many} machines" if many > 1 else "a machine"
    took_s = place.usual_s(scenario.name)
    usual = f"; the whole scenario usually takes {took_s:.0f} s" if took_s else ""
    memory = f"{needed_mib(scenario, settings.memory_mib)} MiB of memory"
    keeps = settings.checkpoints.outlive_runs
    kept = ", or goes on from a kept checkpoint" if keeps else ""
    return f"{scenario.name}: boots {machines} to the step {step} ({at}){kept}; {memory}{usual}"


def _reporter(artifacts: Artifacts) -> ProgressReporter:
    log = ProgressLog(artifacts.path)
    return ProgressReporter(
        (show, log.append), artifacts.place.begun_s, lambda line: artifacts.redactor(line)
    )


def _name(spawned: Spawned, machine: str, count: int) -> str:
    return spawned.name if count == 1 else f"{spawned.name}_{machine}"


def _as_spawned(name: str, machine: str, node: OwnNode, login: Login) -> SpawnedNode:
    return SpawnedNode(
        name=name, machine=machine, port=login.port, key=str(login.key),
        known_hosts=str(login.known_hosts), console=str(node.machine.console),
    )  # fmt: skip


def _watch(nodes: Mapping[str, OwnNode], spawned: Spawned, rig: Rig) -> None:
    """Return when a guest has powered itself off.

    What a rule of diagnosis finds is only reported: the user may break the node on purpose.

    Raises:
        HarnessError: a machine stopped in another way.
    """
    reported: set[str] = set()
    while True:
        for name, node in nodes.items():
            try:
                node.watch.check_alive()
            except HarnessError as exc:
                if str(exc) not in reported:
                    rig.report(f"{name}: {exc}")
                reported.add(str(exc))
            if (reason := node.machine.why_stopped()) == POWERED_OFF:
                rig.report(f"{name}: {reason}")
                return
            if reason:
                raise why_dead(reason, spawned.scenario, rig.evidence)
        rig.clock.sleep(_LOOK_S)


def main(order: Order) -> None:
    """Own the nodes in a process of its own, and return in this one at once."""
    if os.fork():
        return
    signal.signal(signal.SIGTERM, _interrupt)
    requests = EndRequests(_COMMAND_PIPE)
    requests.start()
    owner = Owner(order, requests)
    try:
        pytest.main([*order.arguments], plugins=[owner])
    except Exception:  # the command shows nothing after the last message
        traceback.print_exc()
        owner.error = owner.error or _UNEXPECTED
    finally:
        send(Ended(error=owner.error))


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt("SIGTERM")


if __name__ == "__main__":
    main(msgspec.json.decode(sys.argv[1], type=Order))
