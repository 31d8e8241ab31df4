"""The steps of a scenario, over all of its machines. Data only: `player` takes them.

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
    """Switch the machine on, watch it, and keep evidence of it."""

    machine: str
    name: str = "switch-on"


@dataclass(frozen=True, slots=True, kw_only=True)
class LogIn:
    """Log in to the machine by SSH as soon as its sshd accepts the key."""

    machine: str
    limit_s: float = _LOGIN_S
    name: str = "login"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """Wait until the machine has reached `phase` in the boot that the scenario expects.

    A phase of depth 0 is reached when it begins, one of depth 1 when it ends without a failure.
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
    """Call `act` until it returns. It raises `NotYet` to be called again, or the error it found.

    `act` gets the machine and the limit of one call, and has to be safe to repeat: a call that ran
    out of time is repeated. With `or_go_on` a check that does not succeed in `limit_s` is reported,
    and the scenario goes on.
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
        """Empty: a checkpoint belongs to the whole scenario."""
        return ""


Step = SwitchOn | LogIn | Reach | Reboot | Check | Checkpoint

OVERLAY_APPLIED = "overlay-applied"
"""The check after a live-apply."""
NODE_LAYER = "node-layer"
"""Every scenario's checkpoint after the node layer is in place on the judged machine."""


def step_names(steps: Sequence[Step]) -> tuple[str, ...]:
    """Return a name for each step, unique among them: `reboot`, `reboot-2`, `bootstrap:login`.

    With several machines the machine's name is a prefix.
    """
    is_one = len({step.machine for step in steps if step.machine}) <= 1
    seen: Counter[str] = Counter()
    names = []
    for step in steps:
        name = step.name if is_one or not step.machine else f"{step.machine}:{step.name}"
        seen[name] += 1
        names.append(name if seen[name] == 1 else f"{name}-{seen[name]}")
    return tuple(names)
