"""Progress of a play: step k of n, and the share of the usual time if a history has it."""

from __future__ import annotations

from collections.abc import Sequence

from harness.model.errors import InputError
from harness.player.inputs import Rig
from harness.player.steps import Step, step_names

_MOST_SHARE = 0.99


class Progress:
    """Reports the steps of one play as they begin."""

    def __init__(self, scenario: str, steps: Sequence[Step], rig: Rig) -> None:
        self._scenario = scenario
        self._names = step_names(steps)
        self._rig = rig
        self._usual_s = rig.usual_s(scenario)
        self._began_s = rig.clock.monotonic()

    def report(self, number: int) -> None:
        """Report that the step with this number, from 0, begins."""
        self._rig.report(f"{self.step(number)}{self._share()}")

    def step(self, number: int) -> str:
        """Return the step with this number, from 0, as it is reported."""
        return f"{self._scenario}: step {number + 1} of {len(self._names)}, {self._names[number]}"

    def name(self, number: int) -> str:
        """Return the name of the step with this number, from 0."""
        return self._names[number]

    def _share(self) -> str:
        if not self._usual_s:
            return ""
        share = min(_MOST_SHARE, (self._rig.clock.monotonic() - self._began_s) / self._usual_s)
        return f" ({share:.0%} of the usual {self._usual_s:.0f} s)"


def require_step(
    scenario: str, steps: Sequence[Step], step: str | None, where: str = "--until"
) -> None:
    """Return if `step`, which the user gave by `where`, names one of the steps, or is None.

    Raises:
        InputError: it does not.
    """
    if step is None or step in (names := step_names(steps)):
        return
    problem = f"{step!r} is not a step of the scenario {scenario}"
    raise InputError(where, problem, f"Use one of: {', '.join(names)}.")
