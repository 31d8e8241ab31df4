"""What bootstrap scenarios share: the temporary control plane of a machine, if there can be one.

It is made of the release's images, hence of a run on stand-ins or with `--release-image`.
"""

from __future__ import annotations

from functools import partial

from harness.cluster.pki import make_pki
from harness.diagnosis import events
from harness.model.clock import Deadline, NotYet, wait_for
from harness.model.errors import DeadlineError
from harness.model.ignition import Config
from harness.node import bootkube
from harness.node.bootkube import Limits, temporary_control_plane
from harness.scenarios.scenario import Inputs
from harness.scenarios.stages import Boot

API_LEVEL = "api-readyz"
"""The level of readiness of a machine that has a temporary control plane."""
_LOOK_S = 0.5


def control_plane_pieces(inputs: Inputs, limits: Limits) -> tuple[Config, ...]:
    """Return the Ignition pieces of a temporary control plane, none without a release."""
    release = inputs.release()
    if release is None or not release.has_control_plane:
        return ()
    pki = make_pki((bootkube.ADDRESS,))
    return (temporary_control_plane(release, pki, limits),)


def wait_for_control_plane(boot: Boot, limits: Limits) -> None:
    """Follow the machine until its API is ready.

    Raises:
        ProductError: a unit failed or took too long.
        RigError: QEMU ended.
    """
    try:
        limit = Deadline.after(limits.overall_s, boot.watch.clock)
        wait_for("the temporary control plane", partial(_is_up, boot), limit, _LOOK_S)
    except DeadlineError as exc:
        raise boot.watch.stuck(str(exc)) from exc
    boot.timings_s.update(events.durations_s(boot.watch.events))


def _is_up(boot: Boot) -> None:
    boot.watch.insist_alive()
    seen = boot.watch.events
    if not events.is_done(seen, bootkube.STAGE):
        last = seen[-1] if seen else None
        raise NotYet(f"{last.stage} says {last.detail or last.state}" if last else "nothing told")
