"""The steps of a scenario, over all of its machines. Data alone: `player` takes them.

Limits are seconds with hardware acceleration; the player stretches them for a slow guest.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.model.clock import Deadline
    from harness.player.running import Running

_LOGIN_S = 120.0
_REBOOT_S = 240.0
_CHECK_S = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SwitchOn:
    """Switch the machine on; from here on it is watched, and evidence of it is kept."""

    machine: str
    name: str = "switch-on"


@dataclass(frozen=True, slots=True, kw_only=True)
class LogIn:
    """Log in to the machine by SSH as soon as it lets us in."""

    machine: str
    limit_s: float = _LOGIN_S
    name: str = "login"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """Wait until the machine has reached `phase` in the boot that it has to be in.

    An inner phase is reached when it has ended well, one of the chain when it has begun.
    """

    machine: str
    phase: str
    limit_s: float

    @property
    def name(self) -> str:
        """The phase's name."""
        return self.phase


@dataclass(frozen=True, slots=True, kw_only=True)
class Reboot:
    """Wait until the machine runs its next boot, and log in there if it was logged in to."""

    machine: str
    limit_s: float = _REBOOT_S
    name: str = "reboot"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """Ask `act` until it returns: it raises `NotYet` to be asked again, or the error that it found.

    `act` gets the machine and the time that one question may take, and has to be safe to repeat:
    a question that got no answer in that time is asked again. With `or_go_on` a check that is
    not done in its time is reported, and the scenario goes on.
    """

    machine: str
    name: str
    act: Callable[[Running, Deadline], None]
    limit_s: float = _CHECK_S
    or_go_on: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """A named point between steps, at which `--until` can stop."""

    name: str

    @property
    def machine(self) -> str:
        """No machine: it is a point of the whole scenario."""
        return ""


Step = SwitchOn | LogIn | Reach | Reboot | Check | Checkpoint

NODE_LAYER = "node-layer"
"""The checkpoint of every scenario at which the node layer is on the judged machine."""


def step_names(steps: Sequence[Step]) -> tuple[str, ...]:
    """Return a name for each step, unique among them: `reboot`, `reboot-2`, `bootstrap:login`.

    The machine leads where the steps are of several.
    """
    is_one = len({step.machine for step in steps if step.machine}) <= 1
    seen: Counter[str] = Counter()
    names = []
    for step in steps:
        name = step.name if is_one or not step.machine else f"{step.machine}:{step.name}"
        seen[name] += 1
        names.append(name if seen[name] == 1 else f"{name}-{seen[name]}")
    return tuple(names)
