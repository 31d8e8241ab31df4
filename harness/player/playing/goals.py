"""What the player waits for in one machine: a phase, a boot, or the answer to a check.

Each returns when the goal is reached, and raises NotYet with what was seen last if it is not.
"""

from __future__ import annotations

from harness.model.clock import NotYet
from harness.model.errors import DeadlineError
from harness.player.inputs import Rig
from harness.player.running import Running
from harness.player.steps import Check

_ASK_S = 30.0
_SSHD_MARKS = ("sshd-listens", "network-is-up")


def require_phase(running: Running, phase: str) -> None:
    """Return if a phase is reached in the boot that the scenario expects.

    Raises:
        ProductError: the machine is in a later boot.
        NotYet: the phase is not reached; carries what the guest reported last.
    """
    watch = running.watch
    if watch.has_reached(phase, running.boot):
        return
    _require_boot(running, f"before it reached {phase}")
    seen = watch.events
    last = seen[-1] if seen else None
    raise NotYet(f"{last.stage} says {last.detail or last.state}" if last else "nothing reported")


def require_booted(running: Running) -> None:
    """Return if a machine is in the boot that the scenario expects.

    Raises:
        ProductError: the machine is in a later boot.
        NotYet: it is in an earlier one.
    """
    _require_boot(running, "where one reboot was expected")
    if running.watch.boots < running.boot:
        raise NotYet(f"the machine is in boot {running.watch.boots}")


def has_shown_sshd(running: Running) -> bool:
    """Return whether the lines of the boot that the scenario expects show that sshd is reachable.

    A guest that logs otherwise never shows it.
    """
    return all(
        any(hit.boot == running.boot for hit in running.watch.hits(name)) for name in _SSHD_MARKS
    )


def _require_boot(running: Running, when: str) -> None:
    if (boots := running.watch.boots) > running.boot:
        raise running.watch.failed(
            f"the machine rebooted by itself {when}: it is in boot {boots} "
            f"instead of {running.boot}"
        )


def ask(rig: Rig, running: Running, step: Check) -> None:
    """Return if a check of the scenario succeeds.

    Raises:
        ProductError: the machine rebooted meanwhile, or the check found a fault.
        NotYet: it does not succeed, or takes too long.
    """
    try:
        step.act(running, rig.deadline(_ASK_S))
    except DeadlineError as exc:
        _require_boot(running, f"before the check {step.name} was done")
        raise NotYet(str(exc)) from exc
    except NotYet:
        _require_boot(running, f"before the check {step.name} was done")
        raise
