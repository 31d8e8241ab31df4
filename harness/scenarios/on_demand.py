"""What the assisted and the agent-based installer share: a live-apply that an agent starts.

The units come while the system runs, and nothing is isolated: they stay active, and default.target
is what it was.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from harness.diagnosis import events
from harness.guest import assisted
from harness.guest.assisted import Agent
from harness.guest.keys import RunKeys
from harness.guest.live_apply import Limits, on_demand
from harness.model.ignition import Config, Document
from harness.node.ssh import Shell
from harness.scenarios import stages
from harness.scenarios.config import access_pieces, kubelet_pieces, whole
from harness.scenarios.medium import MemoryBudget, booted_from_iso, insist_on_budget
from harness.scenarios.scenario import AppliedNode, Inputs, Rig
from harness.scenarios.start import Boot, MachinePlan

# For hardware acceleration; `Rig.timeout_factor` stretches them.
_AGENT_S = 180.0
_ASK_S = 30.0
_STARTS = ("kubelet.service",)
# For the guest's sh, which need not be bash. An isolate would have stopped the two units, and a
# generator's link changes what default.target is, though not what is configured.
LOOK = """\
systemctl is-active node-image-pull.service node-image-overlay.service | tr '\\n' ' '
printf '%s ' "$(systemctl show --property=Id --value default.target)"
if [ -e /usr/bin/oc ]; then echo oc; fi
"""
_END_MARKS = "active active multi-user.target oc"


def agent_of(rig: Rig) -> Agent:
    """Return what the agent of a run is told."""
    limits = Limits().scaled(rig.timeout_factor)
    return Agent(wait_s=limits.overall_s, starts=_STARTS)


def bootstrap_config(rig: Rig, inputs: Inputs) -> Document:
    """Return the bootstrap config that the agent writes at run time."""
    limits = Limits().scaled(rig.timeout_factor)
    return whole((*kubelet_pieces(inputs), on_demand(inputs.pull_spec, limits)), ())


@contextmanager
def brought_up(
    rig: Rig, inputs: Inputs, plan: MachinePlan, keys: RunKeys, agent: Config
) -> Iterator[AppliedNode]:
    """Hold the node that `agent`, in the config of the medium, makes of a live system.

    Raises:
        ProductError: the live system, the agent or live-apply failed, or left other marks.
        RigError: the host failed.
    """
    document = whole((*access_pieces(inputs, keys), agent), inputs.extra_ignition)
    with (
        booted_from_iso(rig, inputs, plan, document) as boot,
        stages.logged_in(boot, keys) as session,
    ):
        limit_s = agent_of(rig).wait_s + _AGENT_S * rig.timeout_factor
        stages.wait_for_stage(boot, assisted.STAGE, limit_s)
        boot.timings_s.update(events.durations_s(boot.watch.events))
        stages.wait_until_settled(boot, session)
        insist_on_end_marks(boot, session)
        insist_on_budget(boot, MemoryBudget())
        yield stages.applied(boot, session)


def insist_on_end_marks(boot: Boot, shell: Shell) -> None:
    """Hold the system to the marks of a live-apply without generator and isolate.

    Raises:
        ProductError: a unit is not active any more, oc is not there, or default.target changed.
    """
    seen = shell.run(LOOK, boot.deadline(_ASK_S), check=True).stdout.strip()
    if seen != _END_MARKS:
        raise boot.watch.failed(
            f"after the agent's live-apply: pull, overlay, default.target and oc are {seen!r} "
            f"instead of {_END_MARKS!r}"
        )
