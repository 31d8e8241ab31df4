"""What a scenario requires of what the user gave, checked before anything is fetched."""

from __future__ import annotations

from collections.abc import Callable

from harness.machine.domain.hardware import Hardware, with_required
from harness.model.errors import InputError
from harness.player.given import Given
from harness.player.needs import Need, lacks, lacks_image
from harness.player.plan import MachinePlan
from harness.player.scenario import Scenario
from harness.workplace.images import NamedImages
from harness.workplace.options import Settings


def require(
    scenario: Scenario, settings: Settings, given: Callable[[], Given], images: NamedImages
) -> None:
    """Raise if something that `scenario` needs was not given and no stand-in replaces it.

    `given` reads the user's configs, so it is asked only about a scenario with a live config.

    Raises:
        InputError: the scenario could not come up.
    """
    for key in scenario.images:
        if not images.has(key):
            raise lacks_image(f"scenario {scenario.name}", key)
    found = [_possible_hardware(plan, scenario, settings) for plan in scenario.machines]
    _require_live_kind(scenario, settings, given)
    is_installers = settings.bootstrap_ignition and scenario.takes_installer_config
    missing = {
        Need.RELEASE: not settings.is_stand_in,
        Need.SINGLE_PATH: any(each.is_multipath for each in found),
    }
    for need in scenario.needs:
        if missing[need] and not is_installers:
            raise lacks(scenario.name, need)


def hardware_of(plan: MachinePlan, settings: Settings) -> Hardware:
    """Return the hardware of a machine: what the user asks for, with what its plan requires.

    Raises:
        InputError: they exclude each other.
    """
    return with_required(settings.hardware, plan.requires)


def _possible_hardware(plan: MachinePlan, scenario: Scenario, settings: Settings) -> Hardware:
    try:
        return hardware_of(plan, settings)
    except InputError as exc:
        asked = f"machine {plan.name} requires {plan.requires}, and --hardware asks for "
        problem = f"{asked}{settings.hardware}: {exc.problem}"
        remedy = "Remove that from --hardware, or run another scenario."
        raise InputError(f"scenario {scenario.name}", problem, remedy) from exc


def _require_live_kind(scenario: Scenario, settings: Settings, given: Callable[[], Given]) -> None:
    if settings.live_ignition is None or scenario.live_config is None:
        return
    live, wanted = given().live, scenario.live_config
    if live is None or live.kind is wanted:
        return
    problem = f"the config of a {live.kind}, but the scenario {scenario.name} boots a {wanted}"
    remedy = "Run the scenario of that ISO: assisted or agent."
    raise InputError(str(settings.live_ignition), problem, remedy)
